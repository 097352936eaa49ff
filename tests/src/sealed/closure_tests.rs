//! The closure over a small store made by hand, byte by byte.

use std::path::{Path, PathBuf};

use escrowdb::crypto::ALGORITHM;
use escrowdb::vfs::{Vfs, VfsFile};

use super::*;
use crate::entropy::SeededEntropy;
use crate::recording_vfs::RecordingVfs;

const STORE: [u8; 16] = [9; 16];

struct Maker {
    entropy: SeededEntropy,
    disk: RecordingVfs,
}

impl Maker {
    fn key(&self) -> Secret {
        let mut key = [0; 32];
        escrowdb::crypto::Entropy::fill(&self.entropy, &mut key).unwrap();
        key
    }

    fn file(&self, name: &str) -> Box<dyn VfsFile> {
        let path = Path::new("/").join(name);
        self.disk.open(&path).or_else(|_| self.disk.create(&path)).unwrap()
    }

    fn page(&self, file: &str, number: u32, (label, secret, salt): (Label, &[u8], &[u8]), text: &[u8]) {
        let mut text = text.to_vec();
        text.resize(PAGE - 56, 0);
        let (header, id) = if file.ends_with("idx") { (IX, vec![0xab; 16]) } else { (KP, vec![]) };
        let aad = [&header[..], &STORE, &id, &number.to_le_bytes()].concat();
        let seal = derive(label, &[secret], salt, &aad).seal(&mut text).unwrap();
        let page = [&header[..], &seal, &text].concat();
        self.file(file).write_at(&page, u64::from(number) * PAGE as u64).unwrap();
    }

    fn head(&self, root: &Secret, epoch: u64, root_salt: &Secret, at: u64) {
        let mut page = vec![0; PAGE];
        page[..8].copy_from_slice(b"ESCDHEAD");
        page[8..10].copy_from_slice(&[1, ALGORITHM]);
        page[16..32].copy_from_slice(&STORE);
        page[32..40].copy_from_slice(&epoch.to_le_bytes());
        page[48..80].copy_from_slice(&self.key());
        page[132..164].copy_from_slice(root_salt);
        let (clear, text) = page.split_at_mut(128);
        let seal = derive(Label::Head, &[root], &clear[48..80], &clear[..80]).seal(text).unwrap();
        clear[80..].copy_from_slice(&seal);
        self.file("HEAD").write_at(&page, at * PAGE as u64).unwrap();
    }
}

fn entry(key: &[u8], value: &[u8]) -> Vec<u8> {
    [&[key.len() as u8][..], key, &[value.len() as u8], value].concat()
}

const KP: [u8; 8] = [b'K', b'P', 1, 1, ALGORITHM, 0, 0, 0];
const IX: [u8; 8] = [b'E', b'D', b'I', b'X', 1, ALGORITHM, 0, 0];

#[test]
fn the_closure_reaches_everything_and_nothing_after_the_root_is_gone() {
    let m = Maker { entropy: SeededEntropy::new(4), disk: RecordingVfs::new() };
    let (root, salt, leaf_key) = (m.key(), m.key(), m.key());
    let (k_content, k_index, journal, tag_key) = (m.key(), m.key(), m.key(), m.key());
    let file = "ab".repeat(16);
    m.head(&root, 1, &salt, 0);
    // Root page: one link. Leaf: person 5, a name, a segment, a journal, the tag key.
    let link = [&2u32.to_le_bytes()[..], &leaf_key].concat();
    let mut separator = [0; 16];
    expand(Label::NameTag, &[&tag_key, b"carl"], &mut separator);
    let inner = [&[1, 1, 0][..], &entry(&[&[2][..], &separator].concat(), &link)].concat();
    let fresh = [&salt[..], &1u64.to_le_bytes()].concat();
    m.page("keyring.a", 1, (Label::KeyringRoot, &root, &fresh), &inner);
    let mut tag = [0; 16];
    expand(Label::NameTag, &[&tag_key, b"anna"], &mut tag);
    let leaf = [
        &[0, 5, 0][..],
        &entry(
            &[&[1][..], &5u64.to_be_bytes(), &[0]].concat(),
            &[&[1][..], &[7; 16], &k_content, &m.key()].concat(),
        ),
        &entry(&[&[2][..], &tag].concat(), &[5]),
        &entry(&[4, 0], &[&[1][..], &k_index].concat()),
        &entry(&[5, 0], &[&[1][..], &[0xab; 16], &journal].concat()),
        &entry(&[7, 1], &[&[1][..], &tag_key].concat()),
    ]
    .concat();
    m.page("keyring.a", 2, (Label::KeyringPage, &leaf_key, &[]), &leaf);
    // A body block and the index that holds its second lock.
    let mut body = [&[0][..], &6u32.to_le_bytes(), &6u32.to_le_bytes(), b"canary"].concat();
    body.resize(32, 0);
    let aad = [&b"body"[..], &[1, ALGORITHM], &STORE, &[0xab; 16], &8u64.to_le_bytes(), &32u64.to_le_bytes()]
        .concat();
    let seal = derive(Label::Body, &[&k_content, &[3; 16]], &[], &aad).seal(&mut body).unwrap();
    m.file(&format!("{file}.seg")).write_at(&[&seal[..], &body].concat(), 8).unwrap();
    let table = [&1u32.to_le_bytes()[..], &[0, 8, 80], &[3; 16], &[0, 0, 1, 5]].concat();
    let mut front = vec![0; 59];
    front[40] = 1;
    front[42] = 1;
    front[43..51].copy_from_slice(&((PAGE - 56) as u64).to_le_bytes());
    front[51..59].copy_from_slice(&(table.len() as u64).to_le_bytes());
    m.page(&format!("{file}.idx"), 0, (Label::IndexPage, &k_index, &[]), &front);
    m.page(&format!("{file}.idx"), 1, (Label::IndexPage, &k_index, &[]), &table);
    // Two journal frames.
    let (mut before, mut offset) = ([0; SEAL_LEN], 0);
    for number in 0..2u64 {
        let mut text = vec![number as u8; 256];
        let header = [&b"EJF1"[..], &[1, ALGORITHM, 0, 0], &256u32.to_le_bytes(), &[0; 4]].concat();
        let aad = [&header[..], &STORE, &[0xab; 16], &number.to_le_bytes(), &before].concat();
        before = derive(Label::JournalFrame, &[&journal], &[6; 16], &aad).seal(&mut text).unwrap();
        let frame = [&header[..], &[6; 16], &before, &text].concat();
        m.file(&format!("{file}.jrn")).write_at(&frame, offset).unwrap();
        offset += frame.len() as u64;
    }
    m.disk.remove(&PathBuf::from(format!("/{file}.jrn"))).unwrap();

    let evidence = Evidence::of_log(&m.disk.log());
    let none = BTreeSet::new();
    let all = hunt(&evidence, &[root], &none, Depth::Formats);
    assert!(all.unopened.is_empty());
    assert_eq!(all.bodies.len(), 1);
    assert_eq!((all.count(Kind::Frame), all.count(Kind::Node), all.count(Kind::IndexPage)), (2, 2, 2));
    assert_eq!(all.find(b"canary").len(), 1);
    assert!(all.has_tag("anna") && !all.has_tag("bert"));
    assert!(all.has_tag("carl"), "a separator tells as much as a leaf");
    assert!(all.reused.is_empty() && all.people == BTreeSet::from([5]));
    assert!(all.opened.iter().any(|o| o.kind == Kind::IndexPage && o.key == k_index));

    // A page sealed anew at another place under the key that its old version has.
    m.page("keyring.a", 7, (Label::KeyringPage, &leaf_key, &[]), &leaf);
    let twice = hunt(&Evidence::of_log(&m.disk.log()), &[root], &none, Depth::Formats);
    assert_eq!(twice.reused.len(), 2);

    // Another root that leads to the index only: the body stays shut, for want of the person.
    let without = hunt(&evidence, &[k_index], &all.bodies, Depth::Formats);
    assert!(without.bodies.is_empty() && without.find(b"canary").is_empty());
    // The person without the index: shut too.
    let without = hunt(&evidence, &[leaf_key], &all.bodies, Depth::Windows);
    assert_eq!(without.bodies.len(), 1, "the leaf leads to both locks");
    let without = hunt(&evidence, &[k_content], &all.bodies, Depth::Windows);
    assert!(without.bodies.is_empty());
    let gone = hunt(&evidence, &[m.key()], &all.bodies, Depth::Windows);
    assert!(gone.opened.is_empty() && gone.keys.is_empty());
}
