//! Makes the file of an export again from the records of its proof.

use escrowdb::Error;
use escrowdb::export::{Digest, Manifest, Part, Source, shown};
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
