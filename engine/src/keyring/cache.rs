//! Decoded pages, bounded in bytes; second chance for pages used again.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use crate::keyring::node::Node;

/// Pages by number. A number changes its content only when a commit writes it anew, and commits
/// never write a number that a living snapshot can reach: forgetting written numbers is enough.
pub(super) struct Cache {
    limit: usize,
    bytes: usize,
    pages: HashMap<u32, (Arc<Node>, bool)>,
    order: VecDeque<u32>,
}

impl Cache {
    pub(super) fn new(limit: usize) -> Self {
        Self { limit, bytes: 0, pages: HashMap::new(), order: VecDeque::new() }
    }

    pub(super) fn get(&mut self, place: u32) -> Option<Arc<Node>> {
        let (node, used) = self.pages.get_mut(&place)?;
        *used = true;
        Some(Arc::clone(node))
    }

    pub(super) fn put(&mut self, place: u32, node: Arc<Node>) {
        if node.memory() > self.limit || self.pages.contains_key(&place) {
            return;
        }
        self.bytes += node.memory();
        self.pages.insert(place, (node, false));
        self.order.push_back(place);
        while self.bytes > self.limit {
            let Some(oldest) = self.order.pop_front() else { return };
            match self.pages.get_mut(&oldest) {
                Some((_, used)) if *used => {
                    *used = false;
                    self.order.push_back(oldest);
                }
                _ => self.remove(oldest),
            }
        }
    }

    pub(super) fn forget(&mut self, places: &[u32]) {
        for place in places {
            self.remove(*place);
        }
        let pages = &self.pages;
        self.order.retain(|p| pages.contains_key(p));
    }

    pub(super) fn clear(&mut self) {
        *self = Self::new(self.limit);
    }

    fn remove(&mut self, place: u32) {
        if let Some((node, _)) = self.pages.remove(&place) {
            self.bytes -= node.memory();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stays_in_its_limit_and_keeps_what_is_used() {
        let one = Node::empty().memory();
        let mut cache = Cache::new(one * 3);
        for i in 0..100 {
            cache.put(i, Arc::new(Node::empty()));
            assert!(i == 0 || cache.get(0).is_some());
            assert!(cache.bytes <= one * 3 && cache.pages.len() <= 3);
        }
        cache.forget(&[0]);
        assert!(cache.get(0).is_none());
        cache.clear();
        assert_eq!((cache.bytes, cache.pages.len(), cache.order.len()), (0, 0, 0));
    }
}
