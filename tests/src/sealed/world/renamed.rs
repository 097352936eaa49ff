//! People who get another name, and lose one.

use escrowdb::session::Session;
use escrowdb::store::{Certificate, EraseOptions};

use super::World;

impl World {
    /// Gives somebody another name, with everything else as it was.
    pub fn add_name(&mut self, of: &str) -> String {
        let new = self.person();
        self.store().add_identifier(of, &new).unwrap();
        self.people.insert(new.clone(), true);
        new
    }

    /// Takes a name out of the model; `new` stands wherever it stood.
    pub fn bury_name(&mut self, old: &str, new: Option<&str>) {
        self.people.insert(old.to_owned(), false);
        let Some(new) = new else { return };
        self.people.insert(new.to_owned(), true);
        let put = |name: &mut String| {
            if name == old {
                new.clone_into(name);
            }
        };
        for said in &mut self.said {
            let r = &mut said.record;
            [&mut r.author].into_iter().chain(&mut r.subjects).chain(&mut r.participants).for_each(put);
        }
        for (a, b) in &mut self.links {
            [a, b].into_iter().for_each(put);
        }
        for join in &mut self.joins {
            put(&mut join.name);
            if join.whose.remove(old) {
                join.whose.insert(new.to_owned());
            }
        }
    }

    /// Whether nobody has this name.
    pub fn is_unknown(&self, name: &str) -> bool {
        self.store().session(Session::new()).person(name).is_err()
    }

    /// Puts a new name in the place of one, with the control before and the verdict after.
    pub fn rename(&mut self, old: &str) -> (String, Certificate) {
        self.control();
        let new = self.person();
        let certificate = self.store().rename(old, &new, &EraseOptions::default()).unwrap();
        self.bury_name(old, Some(&new));
        self.acknowledged();
        self.verdict().assert_clean("renamed");
        (new, certificate)
    }

    /// Takes a name from somebody who has others, likewise.
    pub fn remove_name(&mut self, name: &str) -> Certificate {
        self.control();
        let certificate = self.store().remove_identifier(name, &EraseOptions::default()).unwrap();
        self.bury_name(name, None);
        self.acknowledged();
        self.verdict().assert_clean("a name was taken");
        certificate
    }
}
