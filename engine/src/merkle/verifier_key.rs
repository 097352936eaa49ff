//! Verifier keys as in C2SP signed-note: `<name>+<key id>+<base64 of type and key>`.

use base64ct::{Base64, Encoding};
use sha2::{Digest, Sha256};

/// Type byte of Ed25519 keys (C2SP signed-note).
const ED25519: u8 = 1;

/// The verifier key of an Ed25519 public key under a name.
///
/// The key id is the first four bytes of SHA-256(name ‖ 0x0A ‖ type ‖ key), in hexadecimal.
pub fn verifier_key(name: &str, public: &[u8; 32]) -> String {
    let mut typed = [ED25519; 33];
    typed[1..].copy_from_slice(public);
    let id = Sha256::new().chain_update(name).chain_update(b"\n").chain_update(typed).finalize();
    let hex: String = id[..4].iter().map(|b| format!("{b:02x}")).collect();
    format!("{name}+{hex}+{}", Base64::encode_string(&typed))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example key of C2SP signed-note (from the Go package golang.org/x/mod/sumdb/note).
    #[test]
    fn matches_the_published_example() {
        let key = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";
        let typed = Base64::decode_vec(key.rsplit('+').next().unwrap()).unwrap();
        let public: [u8; 32] = typed[1..].try_into().unwrap();
        assert_eq!(verifier_key("PeterNeumann", &public), key);
    }
}
