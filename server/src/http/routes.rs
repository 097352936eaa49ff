//! Every way in, in one table. A route that doesn't say which permission it takes does not compile, and nothing but
//! this table is served.

use axum::http::Method;

use crate::access::Permission;
use crate::http::call::{Call, Reply};
use crate::http::{evidence, ingest, people, records, registers, requests, search};
use crate::problem::Problem;

/// Bytes of a body at most, of a call that is no batch of records.
const SMALL: usize = 64 * 1024;
/// Of a batch of records.
const BATCH: usize = 8 * 1024 * 1024;
/// Of a call without a body.
const NONE: usize = 0;

/// One way in.
pub struct Route {
    /// How it is called.
    pub method: Method,
    /// Where, below `/v1/{tenant}`; what stands in braces is named.
    pub path: &'static str,
    /// What it takes.
    pub needs: Permission,
    /// Bytes of its body at most.
    pub body_max: usize,
    /// What it does, for people.
    pub about: &'static str,
    /// Answers it.
    pub act: fn(Call) -> Result<Reply, Problem>,
}

/// All of them.
pub const ROUTES: &[Route] = &[
    Route {
        method: Method::POST,
        path: "/records",
        needs: Permission::Ingest,
        body_max: BATCH,
        about: "Append a batch of records, one a line: all of them that are good, or none",
        act: ingest::append,
    },
    Route {
        method: Method::GET,
        path: "/search",
        needs: Permission::Search,
        body_max: NONE,
        about: "Records that a query finds, one a line, with cursors to go on behind each",
        act: search::search,
    },
    Route {
        method: Method::GET,
        path: "/count",
        needs: Permission::Search,
        body_max: NONE,
        about: "How many records a query finds",
        act: search::count,
    },
    Route {
        method: Method::GET,
        path: "/facet",
        needs: Permission::Search,
        body_max: NONE,
        about: "Values of a field among the matches, most frequent first",
        act: search::facet,
    },
    Route {
        method: Method::GET,
        path: "/histogram",
        needs: Permission::Search,
        body_max: NONE,
        about: "Matches a day, week or month",
        act: search::histogram,
    },
    Route {
        method: Method::GET,
        path: "/records/{id}",
        needs: Permission::Read,
        body_max: NONE,
        about: "Records with an id",
        act: records::get,
    },
    Route {
        method: Method::GET,
        path: "/conversations/{name}",
        needs: Permission::Read,
        body_max: NONE,
        about: "A conversation, oldest first",
        act: records::conversation,
    },
    Route {
        method: Method::GET,
        path: "/people/{person}",
        needs: Permission::Read,
        body_max: NONE,
        about: "A person: her handle, names and how many records are hers",
        act: people::show,
    },
    Route {
        method: Method::GET,
        path: "/people/{person}/erasure",
        needs: Permission::Handle,
        body_max: NONE,
        about: "What her erasure would take; changes nothing",
        act: people::plan,
    },
    Route {
        method: Method::POST,
        path: "/erasures",
        needs: Permission::Handle,
        body_max: SMALL,
        about: "Erase a person, a conversation or a record; answers with the certificate",
        act: people::erase,
    },
    Route {
        method: Method::POST,
        path: "/requests/{code}",
        needs: Permission::Handle,
        body_max: SMALL,
        about: "Take a request of a person in",
        act: requests::receive,
    },
    Route {
        method: Method::POST,
        path: "/requests/{code}/identify",
        needs: Permission::Handle,
        body_max: SMALL,
        about: "Note how it is known who asks",
        act: requests::identify,
    },
    Route {
        method: Method::POST,
        path: "/requests/{code}/plan",
        needs: Permission::Handle,
        body_max: SMALL,
        about: "Make the plan of a request and register its hash",
        act: requests::plan,
    },
    Route {
        method: Method::POST,
        path: "/requests/{code}/approve",
        needs: Permission::Approve,
        body_max: SMALL,
        about: "Agree to the plan of a request, by its hash",
        act: requests::approve,
    },
    Route {
        method: Method::POST,
        path: "/consents",
        needs: Permission::Ingest,
        body_max: SMALL,
        about: "Note what somebody said of purposes, and under which notice",
        act: registers::consent,
    },
    Route {
        method: Method::GET,
        path: "/people/{person}/consents",
        needs: Permission::Handle,
        body_max: NONE,
        about: "What somebody said of purposes, and where that stands",
        act: registers::consents,
    },
    Route {
        method: Method::GET,
        path: "/holds",
        needs: Permission::Govern,
        body_max: NONE,
        about: "The holds that stand; with `all` also those that were lifted",
        act: registers::holds,
    },
    Route {
        method: Method::POST,
        path: "/holds/{code}",
        needs: Permission::Govern,
        body_max: SMALL,
        about: "Hold a person, a conversation or what a query finds",
        act: registers::place,
    },
    Route {
        method: Method::POST,
        path: "/holds/{code}/release",
        needs: Permission::Govern,
        body_max: SMALL,
        about: "Lift a hold",
        act: registers::release,
    },
    Route {
        method: Method::GET,
        path: "/requests",
        needs: Permission::Handle,
        body_max: NONE,
        about: "What people asked for; with `overdue` what is late",
        act: registers::requests,
    },
    Route {
        method: Method::GET,
        path: "/acts",
        needs: Permission::Audit,
        body_max: NONE,
        about: "What was done with the archive, newest first; with `details` what was typed",
        act: registers::acts,
    },
    Route {
        method: Method::GET,
        path: "/records/{id}/proof",
        needs: Permission::Read,
        body_max: NONE,
        about: "That a record stands in the log, for who checks it without the store",
        act: evidence::proof,
    },
    Route {
        method: Method::GET,
        path: "/key",
        needs: Permission::Audit,
        body_max: NONE,
        about: "The public key of the log",
        act: evidence::key,
    },
    Route {
        method: Method::GET,
        path: "/checkpoint",
        needs: Permission::Audit,
        body_max: NONE,
        about: "The signed head of the log",
        act: evidence::checkpoint,
    },
    Route {
        method: Method::GET,
        path: "/certificates/{request}",
        needs: Permission::Audit,
        body_max: NONE,
        about: "The certificate of an erasure",
        act: evidence::certificate,
    },
    Route {
        method: Method::GET,
        path: "/stats",
        needs: Permission::Operate,
        body_max: NONE,
        about: "Sizes and states; nothing that anybody wrote",
        act: evidence::stats,
    },
];

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use crate::access::Role;

    /// Every route and every role, as they meet; printed for who reads it.
    #[test]
    #[allow(clippy::print_stdout, reason = "the table is what the test shows")]
    fn each_route_is_for_some_roles_and_for_nobody_else() {
        for route in ROUTES {
            let roles: Vec<_> =
                Role::ALL.into_iter().filter(|role| role.may(route.needs)).map(Role::name).collect();
            println!("{:6} /v1/TENANT{:32} {}", route.method.as_str(), route.path, roles.join(" "));
            assert!(!roles.is_empty() && roles.len() < Role::ALL.len(), "{}", route.path);
            // Whatever tells what somebody wrote is closed to who runs the machine.
            assert!(!roles.contains(&"operator") || route.needs == Permission::Operate, "{}", route.path);
        }
    }

    #[test]
    fn each_way_in_is_there_once_and_says_what_it_takes() {
        let mut seen = HashSet::new();
        for route in ROUTES {
            assert!(seen.insert((route.method.clone(), route.path)), "{} {}", route.method, route.path);
            assert!(route.path.starts_with('/') && !route.about.is_empty());
            assert_eq!(route.method == Method::GET, route.body_max == 0, "{}", route.path);
        }
    }
}
