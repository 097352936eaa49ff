//! Applying changes to a tree: new pages for the touched paths, everything else kept by link.
//!
//! A separator is the first key below its link, recomputed on every path that changes, so the key
//! of a dead entry stands in no living page. Pages without entries are dropped; pages under a
//! quarter are joined with a neighbour where the two fit one page.

use std::sync::Arc;

use crate::error::{Error, Result};
use crate::keyring::node::{Builder, LEVEL_MAX, LINK_LEN, Node, PREFIX_LEN, entry_len};
use crate::keyring::page::BODY_LEN;
use crate::keyring::tree::Tree;

/// A key and its new value, or `None` to remove it.
pub(super) type Change<'a> = (&'a [u8], Option<&'a [u8]>);

/// Below this a page is joined with a neighbour.
const QUARTER: usize = BODY_LEN / 4;

/// A page of the new tree.
pub(super) enum Fresh {
    Leaf(Node),
    Inner { level: u8, children: Vec<Child>, used: usize },
}

/// What a link of the new tree leads to.
pub(super) enum Child {
    /// A page of the old tree, by its link there.
    Kept { parent: Arc<Node>, at: usize },
    /// A new page.
    Fresh(Fresh),
}

/// The root of the new tree, and the pages of the old one that it no longer uses (without the
/// old root page).
pub(super) fn apply(tree: &Tree, changes: &[Change<'_>]) -> Result<(Fresh, Vec<u32>)> {
    let mut work = Work { tree, freed: Vec::new() };
    let root = tree.root()?;
    let mut level = root.level;
    let mut nodes = work.node(&root, changes)?;
    while nodes.len() > 1 {
        level += 1;
        if level > LEVEL_MAX {
            return Err(Error::invalid("the keyring would grow over its highest level"));
        }
        nodes = group(level, nodes);
    }
    let root = match nodes.pop() {
        None => Fresh::Leaf(Node::empty()),
        Some(only) => work.lower(only)?,
    };
    Ok((root, work.freed))
}

impl Fresh {
    pub(super) const fn level(&self) -> u8 {
        match self {
            Self::Leaf(_) => 0,
            Self::Inner { level, .. } => *level,
        }
    }

    /// First key below.
    pub(super) fn first(&self) -> &[u8] {
        match self {
            Self::Leaf(node) if node.len() > 0 => node.key(0),
            Self::Inner { children, .. } if !children.is_empty() => children[0].first(),
            _ => &[],
        }
    }

    const fn used(&self) -> usize {
        match self {
            Self::Leaf(node) => node.used(),
            Self::Inner { used, .. } => *used,
        }
    }
}

impl Child {
    /// First key below.
    pub(super) fn first(&self) -> &[u8] {
        match self {
            Self::Kept { parent, at } => parent.key(*at),
            Self::Fresh(fresh) => fresh.first(),
        }
    }

    fn is_small(&self) -> bool {
        matches!(self, Self::Fresh(fresh) if fresh.used() < QUARTER)
    }
}

struct Work<'a> {
    tree: &'a Tree,
    freed: Vec<u32>,
}

impl Work<'_> {
    fn node(&mut self, node: &Arc<Node>, changes: &[Change<'_>]) -> Result<Vec<Child>> {
        if node.level == 0 {
            return Ok(leaves(node, changes));
        }
        let mut children = Vec::with_capacity(node.len() + 1);
        let mut rest = changes;
        for at in 0..node.len() {
            let mine = if at + 1 < node.len() {
                let end = rest.partition_point(|(key, _)| *key < node.key(at + 1));
                rest.split_at(end)
            } else {
                (rest, &[][..])
            };
            rest = mine.1;
            if mine.0.is_empty() {
                children.push(Child::Kept { parent: Arc::clone(node), at });
            } else {
                let child = self.tree.child(node, at)?;
                self.freed.push(node.link(at)?.0);
                children.extend(self.node(&child, mine.0)?);
            }
        }
        Ok(group(node.level, self.join_small(children)?))
    }

    /// Joins small pages with a neighbour.
    fn join_small(&mut self, children: Vec<Child>) -> Result<Vec<Child>> {
        let mut out: Vec<Child> = Vec::with_capacity(children.len());
        for child in children {
            match out.pop() {
                Some(left) if left.is_small() || child.is_small() => out.extend(self.join(left, child)?),
                Some(left) => out.extend([left, child]),
                None => out.push(child),
            }
        }
        Ok(out)
    }

    fn join(&mut self, left: Child, right: Child) -> Result<Vec<Child>> {
        let (l, r) = (self.page(&left)?, self.page(&right)?);
        let used = |page: &Option<Arc<Node>>, child: &Child| match (page, child) {
            (Some(node), _) => node.used(),
            (None, Child::Fresh(fresh)) => fresh.used(),
            (None, Child::Kept { .. }) => BODY_LEN,
        };
        let together = used(&l, &left) + used(&r, &right) - PREFIX_LEN;
        if together > BODY_LEN {
            return Ok(vec![left, right]);
        }
        let (left, right) = (self.opened(left, l)?, self.opened(right, r)?);
        Ok(vec![Child::Fresh(match (left, right) {
            (Fresh::Leaf(l), Fresh::Leaf(r)) => {
                let mut page = Builder::new(0);
                for node in [&l, &r] {
                    (0..node.len()).for_each(|i| page.push(node.key(i), node.value(i)));
                }
                Fresh::Leaf(page.finish())
            }
            (Fresh::Inner { level, mut children, .. }, Fresh::Inner { children: more, .. }) => {
                children.extend(more);
                // The last of the left and the first of the right may be small by now.
                let children = self.join_small(children)?;
                inner(level, children)
            }
            _ => return Err(Error::corrupt("keyring: neighbours of two levels")),
        })])
    }

    /// The page behind a kept link.
    fn page(&self, child: &Child) -> Result<Option<Arc<Node>>> {
        match child {
            Child::Kept { parent, at } => self.tree.child(parent, *at).map(Some),
            Child::Fresh(_) => Ok(None),
        }
    }

    /// Makes a kept page a new one; its old place is freed.
    fn opened(&mut self, child: Child, page: Option<Arc<Node>>) -> Result<Fresh> {
        match (child, page) {
            (Child::Fresh(fresh), _) => Ok(fresh),
            (Child::Kept { parent, at }, page) => {
                let node = match page {
                    Some(node) => node,
                    None => self.tree.child(&parent, at)?,
                };
                self.freed.push(parent.link(at)?.0);
                Ok(renew(&node))
            }
        }
    }

    /// Cuts off roots with a single child.
    fn lower(&mut self, mut only: Child) -> Result<Fresh> {
        loop {
            match self.opened(only, None)? {
                Fresh::Inner { mut children, .. } if children.len() == 1 => match children.pop() {
                    Some(child) => only = child,
                    None => return Ok(Fresh::Leaf(Node::empty())),
                },
                fresh => return Ok(fresh),
            }
        }
    }
}

/// The same page to be sealed anew.
fn renew(node: &Arc<Node>) -> Fresh {
    if node.level > 0 {
        let children = (0..node.len()).map(|at| Child::Kept { parent: Arc::clone(node), at }).collect();
        return inner(node.level, children);
    }
    let mut page = Builder::new(0);
    (0..node.len()).for_each(|i| page.push(node.key(i), node.value(i)));
    Fresh::Leaf(page.finish())
}

/// A leaf with changes put in, as as many leaves as it takes (none, if nothing is left).
fn leaves(node: &Node, changes: &[Change<'_>]) -> Vec<Child> {
    let mut entries: Vec<(&[u8], &[u8])> = Vec::with_capacity(node.len() + changes.len());
    let mut at = 0;
    for (key, value) in changes {
        while at < node.len() && node.key(at) < *key {
            entries.push((node.key(at), node.value(at)));
            at += 1;
        }
        if at < node.len() && node.key(at) == *key {
            at += 1;
        }
        entries.extend(value.map(|v| (*key, v)));
    }
    // Keys that only grow fill their pages; others leave room for what comes between.
    let appended = at == node.len();
    entries.extend((at..node.len()).map(|i| (node.key(i), node.value(i))));
    let sizes: Vec<usize> = entries.iter().map(|(k, v)| entry_len(k.len(), v.len())).collect();
    let mut rest = entries.as_slice();
    let mut out = Vec::new();
    for count in parts(&sizes, appended) {
        let (mine, more) = rest.split_at(count);
        let mut page = Builder::new(0);
        mine.iter().for_each(|(k, v)| page.push(k, v));
        out.push(Child::Fresh(Fresh::Leaf(page.finish())));
        rest = more;
    }
    out
}

/// Links as as many inner pages as it takes.
fn group(level: u8, children: Vec<Child>) -> Vec<Child> {
    let sizes: Vec<usize> = children.iter().map(|c| entry_len(c.first().len(), LINK_LEN)).collect();
    let mut rest = children.into_iter();
    parts(&sizes, false)
        .into_iter()
        .map(|count| Child::Fresh(inner(level, rest.by_ref().take(count).collect())))
        .collect()
}

fn inner(level: u8, children: Vec<Child>) -> Fresh {
    let used = children.iter().map(|c| entry_len(c.first().len(), LINK_LEN)).sum::<usize>() + PREFIX_LEN;
    Fresh::Inner { level, children, used }
}

/// How many entries of these sizes go into each page: evenly, or filling each.
fn parts(sizes: &[usize], fill: bool) -> Vec<usize> {
    const ROOM: usize = BODY_LEN - PREFIX_LEN;
    let total: usize = sizes.iter().sum();
    let target = if fill { ROOM } else { total.div_ceil(total.div_ceil(ROOM).max(1)) };
    let mut out = Vec::new();
    let (mut count, mut used) = (0, 0);
    for size in sizes {
        if count > 0 && (used >= target || used + size > ROOM) {
            out.push(count);
            (count, used) = (0, 0);
        }
        count += 1;
        used += size;
    }
    if count > 0 {
        out.push(count);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn parts_fit_and_lose_nothing(sizes in proptest::collection::vec(3usize..1804, 0..300), fill: bool) {
            let counts = parts(&sizes, fill);
            prop_assert_eq!(counts.iter().sum::<usize>(), sizes.len());
            let mut at = 0;
            for c in counts {
                prop_assert!(c > 0);
                prop_assert!(sizes[at..at + c].iter().sum::<usize>() + PREFIX_LEN <= BODY_LEN);
                at += c;
            }
        }
    }
}
