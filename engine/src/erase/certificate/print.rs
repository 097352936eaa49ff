//! A certificate as one line of JSON. There is one form: whoever checks it prints it again.

use crate::erase::certificate::{Certificate, IDENTIFIER};
use crate::id::PersonNumber;
use crate::record::jsonl::put_text;
use crate::record::time;

/// First line of what is signed, and the type in the JSON. It can't be the origin of a log, so that no
/// signature of a checkpoint is one of a certificate, nor the other way round.
pub(super) const TYPE: &str = "escrowdb/erasure-certificate/v2";

/// File systems that write elsewhere what is written over, so that old sectors stay for a while.
const KEEP_OLD_BLOCKS: [&str; 5] = ["btrfs", "zfs", "bcachefs", "f2fs", "nilfs2"];

impl Certificate {
    /// One line of JSON.
    ///
    /// It claims no more than the fields say, and it names what an erasure does not reach. Behind the line
    /// and a line feed nothing stands in a file that [`verify`](super::verify) takes.
    pub fn to_json(&self) -> String {
        let mut line = self.claim(self.evidence.as_ref().map(|evidence| evidence.proof.as_str()));
        if let Some(evidence) = &self.evidence {
            line.push_str(",\"signature\":");
            put_text(&mut line, &evidence.signature);
        }
        line.push('}');
        line
    }

    /// What is signed: the type, then the line without its signature.
    pub(super) fn statement(&self, proof: &str) -> String {
        format!("{TYPE}\n{}}}\n", self.claim(Some(proof)))
    }

    /// The line up to the signature.
    fn claim(&self, proof: Option<&str>) -> String {
        let mut s = format!("{{\"type\":\"{TYPE}\",\"signed\":{},\"origin\":", proof.is_some());
        put_text(&mut s, &self.origin);
        s += &format!(",\"request\":\"{}\",\"erased\":\"{}\",\"handles\":", self.request, self.what);
        list(&mut s, &self.handles, |handle| format!("\"{handle}\""));
        s += &format!(
            ",\"records_removed\":{},\"records_lost\":{},\"people_forgotten\":{},\"keys_destroyed\":{{\"root\":1,\"content\":{},\"index\":{},\"journal\":{}}}",
            self.records_removed,
            self.records_lost,
            self.people_forgotten,
            self.content_keys_destroyed,
            self.segments_rekeyed,
            self.journal_keys_destroyed
        );
        s += &format!(
            ",\"segments_rekeyed\":{},\"epoch\":{{\"before\":{},\"after\":{}}},\"committed\":\"{}\"",
            self.segments_rekeyed,
            self.epoch_before,
            self.epoch_after,
            time::format(self.committed)
        );
        s += &format!(
            ",\"destroyed\":\"{}\",\"destroyed_not_later_than\":{},\"slot_grade\":\"{}\",\"slot_file_system\":",
            time::format(self.destroyed),
            self.destroyed_not_later_than,
            self.slot_grade
        );
        maybe(&mut s, self.slot_file_system.as_deref());
        s.push_str(",\"backups\":");
        list(&mut s, &self.backups, |(epoch, until)| {
            format!("{{\"epoch\":{epoch},\"until\":\"{}\"}}", time::format(*until))
        });
        s.push_str(",\"residual_until\":");
        maybe(&mut s, self.residual_until().map(time::format).as_deref());
        s.push_str(",\"retained_as_evidence\":");
        list(&mut s, &self.retained, |(handle, until)| {
            format!("{{\"handle\":\"{handle}\",\"until\":\"{}\"}}", time::format(*until))
        });
        s.push_str(",\"basis\":");
        maybe(&mut s, self.basis.map(crate::policy::Basis::name));
        s.push_str(",\"approvers\":");
        list(&mut s, &self.approvers, |number| number.0.to_string());
        if self.by != PersonNumber::STORE && self.redaction.is_none() {
            s += &format!(",\"by\":{}", self.by);
        }
        if let Some(kept) = &self.kept {
            s += &format!(
                ",\"partial\":{{\"records_kept\":{},\"held\":{},\"until\":",
                kept.records, kept.held
            );
            maybe(&mut s, kept.until.map(time::format).as_deref());
            s.push('}');
        }
        if let Some(redaction) = &self.redaction {
            s +=
                &format!(",\"redaction\":{{\"by\":{},\"position_before\":{}", redaction.by, redaction.before);
            s += &redaction.after.map_or_else(
                || ",\"position_after\":null".to_owned(),
                |after| format!(",\"position_after\":{after}"),
            );
            s += &format!(",\"spans\":{}}}", redaction.spans);
        }
        s.push_str(",\"reason\":");
        maybe(&mut s, self.reason.as_deref());
        s.push_str(",\"does_not_prove\":");
        list(&mut s, &self.does_not_prove(), |what| format!("\"{what}\""));
        if let Some(proof) = proof {
            s.push_str(",\"proof\":");
            put_text(&mut s, proof);
        }
        s
    }

    /// What nobody learns from it, in words.
    pub fn does_not_prove(&self) -> Vec<&'static str> {
        let mut all = vec![
            "copies of the slot file made before the erasure",
            "copies, exports and screenshots outside the store",
            "names that others typed into their own messages",
        ];
        if self.kept.is_some() {
            all.push("erasure of what a hold or a law keeps: it is restricted until it may go");
        }
        if self.what == IDENTIFIER {
            all.push("the same name in what was typed into rules and queries, in the ids of records, and in consents that were given by it");
        } else if self.redaction.is_some() {
            all.push(
                "the same words elsewhere: in other records, and in this one's id, tags and further fields",
            );
        }
        if self.slot_grade == "C" {
            all.push(
                "physical erasure of the slot's old sectors on flash or copy-on-write file systems (grade C)",
            );
        }
        if self.slot_file_system.as_deref().is_some_and(|name| KEEP_OLD_BLOCKS.contains(&name)) {
            all.push("that the slot's old sectors are overwritten: its file system writes elsewhere, and a snapshot of it keeps them");
        }
        all
    }
}

fn maybe(s: &mut String, text: Option<&str>) {
    match text {
        Some(text) => put_text(s, text),
        None => s.push_str("null"),
    }
}

fn list<T>(s: &mut String, all: &[T], each: impl Fn(&T) -> String) {
    let all: Vec<String> = all.iter().map(each).collect();
    *s += &format!("[{}]", all.join(","));
}

#[cfg(test)]
mod tests {
    use crate::erase::certificate::Redaction;
    use crate::erase::certificate::act::tests::sample;
    use crate::id::{PersonNumber, Seq};
    use crate::keyring::pending::Kept;

    #[test]
    fn it_is_json_and_says_everything() {
        let mut certificate = sample();
        certificate.reason = Some("she \"asked\"".into());
        let json: serde_json::Value = serde_json::from_str(&certificate.to_json()).unwrap();
        assert_eq!(json["records_removed"], 41);
        assert_eq!(json["signed"], false);
        assert_eq!(json["basis"], "consent-withdrawn");
        assert_eq!(json["reason"], "she \"asked\"");
        assert_eq!(json["residual_until"], json["backups"][0]["until"]);
        assert_eq!(json["approvers"], serde_json::json!([3, 300]));
        // A file system that keeps what is overwritten is named, and what it means.
        assert_eq!(json["slot_file_system"], "btrfs");
        assert_eq!(json["does_not_prove"].as_array().unwrap().len(), 5);
        assert_eq!(json.get("partial"), None);
        certificate.kept = Some(Kept { records: 7, held: true, until: None });
        let json: serde_json::Value = serde_json::from_str(&certificate.to_json()).unwrap();
        assert_eq!(json["partial"], serde_json::json!({"records_kept": 7, "held": true, "until": null}));
        assert_eq!(json["does_not_prove"].as_array().unwrap().len(), 6);
        certificate.kept = None;
        let (by, before) = (PersonNumber(3), Seq(5));
        certificate.redaction = Some(Redaction { by, before, after: Some(Seq(9)), spans: 2 });
        let json: serde_json::Value = serde_json::from_str(&certificate.to_json()).unwrap();
        let said = serde_json::json!({"by": 3, "position_before": 5, "position_after": 9, "spans": 2});
        assert_eq!(json["redaction"], said);
        assert_eq!(json["does_not_prove"].as_array().unwrap().len(), 6);
    }
}
