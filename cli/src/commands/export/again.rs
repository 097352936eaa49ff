//! Makes the file of an export again from the records of its proof.

use escrowdb::Error;
use escrowdb::export::{Digest, Manifest, Part, Source, Statement, shown};
use sha2::{Digest as _, Sha256};

use crate::commands::export::form::{self, About, Form};
use crate::commands::export::write::title;
use crate::engine::Hit;

/// What came of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Again {
    /// Nothing: the records stand in the file line by line.
    Lines,
    /// The file that was signed, byte for byte.
    Same,
    /// Another file: it shows something else than the records that are proved.
    Other,
    /// Nothing: another version of the program wrote it.
    OtherVersion,
}

/// Makes the file again, in memory that doesn't grow with it.
///
/// # Errors
/// A proof that can't be read or is none.
pub(crate) fn again(manifest: &Manifest, proof: Source) -> Result<Again, Error> {
    let (mut again, mut file) = (Again::Lines, None::<File>);
    shown(proof, |part| {
        match part {
            Part::Form(of) => {
                let about = About {
                    title: title(&manifest.asked),
                    at: manifest.at,
                    salt: of.salt.unwrap_or_default(),
                    package: manifest.terms.package.clone(),
                };
                let form = form::named(&of.name, &about);
                again = match form {
                    Some(form) if form.has_lines() => Again::Lines,
                    Some(form) if form.line() == of => {
                        file = Some(File::begin(form));
                        Again::Same
                    }
                    _ => Again::OtherVersion,
                };
                return Ok::<_, Error>(file.is_some());
            }
            Part::Record(hit) => file.iter_mut().for_each(|file| file.record(&hit)),
            Part::Told(statement) => file.iter_mut().for_each(|file| file.told(&statement)),
        }
        Ok(true)
    })?;
    let Some(file) = file else { return Ok(again) };
    let digest = file.end(manifest);
    Ok(if digest == manifest.digest { again } else { Again::Other })
}

/// A file of which only the hash is kept.
struct File {
    form: Box<dyn Form>,
    piece: String,
    hasher: Sha256,
    bytes: u64,
}

impl File {
    fn begin(mut form: Box<dyn Form>) -> Self {
        let mut piece = String::new();
        form.begin(&mut piece);
        let mut file = Self { form, piece, hasher: Sha256::new(), bytes: 0 };
        file.take();
        file
    }

    fn record(&mut self, hit: &Hit) {
        self.form.record(&mut self.piece, hit);
        self.take();
    }

    fn told(&mut self, statement: &Statement) {
        self.form.told(&mut self.piece, statement);
        self.take();
    }

    fn end(mut self, manifest: &Manifest) -> Digest {
        self.form.end(&mut self.piece, manifest.terms.package.as_ref());
        self.take();
        Digest { bytes: self.bytes, sha256: self.hasher.finalize().into() }
    }

    fn take(&mut self) {
        self.hasher.update(self.piece.as_bytes());
        self.bytes += self.piece.len() as u64;
        self.piece.clear();
    }
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead, Cursor};
    use std::sync::Arc;

    use escrowdb::export::{Asked, Others, Package, ProofFile, Snapshot, Terms, What, check};
    use escrowdb::id::Micros;
    use escrowdb::session::Session;
    use escrowdb::store::{Record, Store};
    use escrowdb::vfs::MemoryVfs;

    use super::*;
    use crate::engine;

    /// An export in memory; whoever makes it may say in its proof and its manifest what he wants.
    struct Made {
        file: String,
        proof: String,
        manifest: Manifest,
    }

    fn made(format: &str, package: Option<Package>) -> Made {
        let store = Store::builder("/s").vfs(Arc::new(MemoryVfs::new())).background(false).create().unwrap();
        let say =
            |n: i64, who: &str| Record::new("c", who, Micros(n), format!("text {n}")).id(format!("m{n}"));
        store.append(&[say(1, "anna"), say(2, "ben"), say(3, "anna"), say(4, "cid")]).unwrap();
        let reading = store.session(Session::new());
        let snapshot = Snapshot::take(&reading).unwrap();
        let (asked, at) = (Asked::Query("*".into()), snapshot.at());
        let about = About { title: title(&asked), at, salt: [7; 16], package: package.clone() };
        let mut form = form::named(format, &about).unwrap();
        let mut prover = snapshot.prover();
        let (mut file, mut proof, mut count) = (String::new(), prover.head_of(&form.line()), 0);
        form.begin(&mut file);
        // The last stays unexported: there are nodes.
        snapshot
            .each_proved("author:anna OR author:ben", |mut exported| {
                count += 1;
                if count == 2 {
                    exported.hit.author = Some("other-1".into());
                    exported.hit.subjects = vec!["other-1".into()];
                    form.record(&mut file, &exported.hit);
                    let line = engine::record_json(&exported.hit);
                    prover.shown(&mut proof, exported, line);
                } else {
                    form.record(&mut file, &exported.hit);
                    prover.opened(&mut proof, exported);
                }
                true
            })
            .unwrap();
        form.end(&mut file, package.as_ref());
        let counted = prover
            .finish(|text| {
                proof.push_str(text);
                Ok::<_, Error>(())
            })
            .unwrap();
        let manifest = Manifest {
            file: "e".into(),
            format: format.into(),
            count,
            digest: digest(&file),
            proof: Some(ProofFile {
                file: "e.proof".into(),
                digest: digest(&proof),
                people: counted.people,
                named: counted.named,
            }),
            asked,
            handle: None,
            actor: None,
            purpose: None,
            case: None,
            at,
            complete: snapshot.is_complete(),
            terms: Terms { package, recipients: Vec::new() },
            checkpoint: snapshot.checkpoint().clone(),
        };
        Made { file, proof, manifest }
    }

    fn digest(text: &str) -> Digest {
        Digest { bytes: text.len() as u64, sha256: Sha256::digest(text).into() }
    }

    impl Made {
        /// What is wrong, of an export that is signed as it is.
        fn faults(&self) -> Vec<What> {
            let mut manifest = self.manifest.clone();
            manifest.digest = digest(&self.file);
            manifest.proof = manifest.proof.map(|proof| ProofFile { digest: digest(&self.proof), ..proof });
            let source =
                |text: &str| -> Box<dyn BufRead> { Box::new(Cursor::new(text.to_owned().into_bytes())) };
            let (file, proof) = (|| Ok(source(&self.file)), || Ok(source(&self.proof)));
            let report = check(&manifest, &file, Some(&proof), 9).unwrap();
            let mut faults: Vec<What> = report.first.iter().map(|fault| fault.what).collect();
            if faults.is_empty() {
                assert_eq!((report.proved, report.shown), (2, 1));
                match again(&manifest, &proof).unwrap() {
                    Again::Same => {}
                    Again::Other => faults.push(What::Shows),
                    other => panic!("{other:?}"),
                }
            }
            faults
        }

        fn with_proof(&self, change: impl Fn(&str) -> String) -> Vec<What> {
            let proof = change(&self.proof);
            assert_ne!(proof, self.proof);
            Self { file: self.file.clone(), proof, manifest: self.manifest.clone() }.faults()
        }
    }

    fn package() -> Package {
        Package {
            others: Others::Pseudonym,
            names: vec!["anna".into()],
            own: 2,
            of_others: 1,
            withheld: 0,
            people: 1,
            unproved: 1,
            fields: 0,
            told: None,
        }
    }

    /// The attack: whoever has the key signs a page that shows something else than the records it proves, or
    /// proves others than the log holds.
    #[test]
    fn a_signer_who_shows_something_else_than_he_proves_is_found() {
        for format in ["html", "csv", "vcon"] {
            for package in [None, Some(package())] {
                let good = made(format, package);
                assert_eq!(good.faults(), [], "{format}");
                let mut other = made(format, good.manifest.terms.package.clone());
                let file = other.file.clone();
                other.file = file.replace("text 3", "text 8");
                assert_eq!(other.faults(), [What::Shows], "{format}");
                // Numbers of the page that the manifest doesn't say.
                if let Some(package) = &mut other.manifest.terms.package {
                    other.file = file;
                    package.withheld += 1;
                    let is_told = format == "html";
                    assert_eq!(other.faults().contains(&What::Shows), is_told, "{format}");
                }
            }
        }
    }

    #[test]
    fn a_proof_holds_the_records_of_the_log_and_each_once() {
        let good = made("csv", None);
        let lines: Vec<&str> = good.proof.lines().collect();
        let place = |kind: &str| lines.iter().position(|line| line.starts_with(kind)).unwrap();
        let (opened, word) = (lines[place("o ")], lines[place("x ")]);
        let text = |lines: &[&str]| lines.iter().map(|line| format!("{line}\n")).collect::<String>();
        let without =
            |out: &str| text(&lines.iter().copied().filter(|line| *line != out).collect::<Vec<_>>());
        assert_eq!(good.with_proof(|_| without(opened)), [What::Root]);
        assert_eq!(good.with_proof(|_| without(word)), [What::File]);
        assert_eq!(
            good.with_proof(|proof| proof.replace(opened, &format!("{opened}\n{opened}"))),
            [What::ProofLine]
        );
        assert_eq!(good.with_proof(|proof| proof.replace(word, &format!("{word}\n{word}"))), [What::File]);
        // Another text under the same leaf, a line of the other sort, another form, a header of the first sort.
        let (head, canonical) = opened.rsplit_once(' ').unwrap();
        let other = canonical.replacen("dGV4dC", "dGV4dD", 1);
        let forged = if other == canonical {
            format!("{head} {}", &canonical[4..])
        } else {
            format!("{head} {other}")
        };
        assert!(!good.with_proof(|proof| proof.replace(opened, &forged)).is_empty());
        assert_eq!(good.with_proof(|proof| proof.replace("form csv 1", "form html 1")), [What::ProofLine]);
        assert_eq!(good.with_proof(|proof| proof.replace("proof/v2", "proof/v1")), [What::ProofLine]);
        assert_eq!(good.with_proof(|proof| proof.replacen("\nn ", "\nx eA==\nn ", 1)), [What::File]);
    }

    /// What a later program writes of the same records may be another file: nothing is said of it.
    #[test]
    fn another_rendering_is_not_called_a_lie() {
        let mut later = made("csv", None);
        later.proof = later.proof.replace("form csv 1", "form csv 2");
        later.file.push_str("more\r\n");
        let proof = || -> Result<Box<dyn BufRead>, Error> {
            Ok(Box::new(Cursor::new(later.proof.clone().into_bytes())))
        };
        assert_eq!(again(&later.manifest, &proof).unwrap(), Again::OtherVersion);
    }
}
