//! Geometry of C2SP `tlog-tiles`: 256 hashes a tile, eight tree levels a tile level.
//!
//! Entry `i` of tile level `L` is the tree node of height `8 * L` and index `i`. Heights between
//! are not stored; they are hashed from at most 128 entries of the level below.

use std::fmt;

use crate::error::{Error, Result};

/// Tree levels of one tile level.
pub const HEIGHT: u8 = 8;
/// Hashes of a full tile.
pub const WIDTH: u64 = 1 << HEIGHT;
/// Tile levels that a tree of 2^64 leaves has.
pub const LEVELS: u8 = 64 / HEIGHT;

/// Number of entries of a tile level in a tree of `size` leaves: an entry stands once the tile
/// below it is full.
pub const fn entries(level: u8, size: u64) -> u64 {
    if level < LEVELS { size >> (HEIGHT * level) } else { 0 }
}

/// Where the hashes stand that make up a tree node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// Tile level.
    pub level: u8,
    /// First entry of that level.
    pub first: u64,
    /// Number of entries, a power of two up to 128; one is the node itself.
    pub count: u64,
}

impl Place {
    /// The place of the node of `height` and `index`; `None` if no tree has such a node.
    pub const fn of(height: u8, index: u64) -> Option<Self> {
        if height >= 64 || (height > 0 && index >> (64 - height) != 0) {
            return None;
        }
        let shift = height % HEIGHT;
        Some(Self { level: height / HEIGHT, first: index << shift, count: 1 << shift })
    }
}

/// Name of a tile.
///
/// ```
/// use escrowdb::merkle::tile::Tile;
/// let tile = Tile { level: 0, index: 1234, width: 256 };
/// assert_eq!(tile.to_string(), "tile/0/x001/234");
/// let partial = Tile { width: 7, ..tile };
/// assert_eq!(partial.to_string(), "tile/0/x001/234.p/7");
/// assert_eq!(Tile::parse("tile/0/x001/234.p/7")?, partial);
/// # Ok::<(), escrowdb::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Tile {
    /// Tile level, 0 for leaves.
    pub level: u8,
    /// Position in its level.
    pub index: u64,
    /// Hashes it holds: 1 to 255 of a partial tile, 256 of a full one.
    pub width: u16,
}

impl Tile {
    /// Tile `index` of `level` in a tree of `size` leaves; `None` if nothing of it is there yet.
    pub fn at(level: u8, index: u64, size: u64) -> Option<Self> {
        let first = index.checked_mul(WIDTH)?;
        let width = entries(level, size).checked_sub(first)?.min(WIDTH);
        (width > 0).then_some(Self { level, index, width: width as u16 })
    }

    /// Every tile of a tree of `size` leaves, by level, then index.
    pub fn all(size: u64) -> impl Iterator<Item = Self> {
        (0..LEVELS).flat_map(move |level| {
            (0..entries(level, size).div_ceil(WIDTH)).filter_map(move |i| Self::at(level, i, size))
        })
    }

    /// Position of its first hash in its level.
    pub const fn first(&self) -> u64 {
        self.index * WIDTH
    }

    /// Reads what `Display` prints; every other form is refused.
    pub fn parse(path: &str) -> Result<Self> {
        Self::parse_loose(path)
            .filter(|tile| tile.to_string() == path)
            .ok_or_else(|| Error::invalid("not the path of a tile").hint("for example tile/0/x001/234.p/7"))
    }

    /// May accept other spellings of a tile's path, such as needless zeros.
    fn parse_loose(path: &str) -> Option<Self> {
        let (level, path) = path.strip_prefix("tile/")?.split_once('/')?;
        let (groups, width) = match path.split_once(".p/") {
            Some((groups, width)) => (groups, width.parse().ok().filter(|w| (1..WIDTH as u16).contains(w))?),
            None => (path, WIDTH as u16),
        };
        let level = level.parse().ok().filter(|level| *level < LEVELS)?;
        let mut index = 0u64;
        for group in groups.split('/') {
            let group: u64 = group.strip_prefix('x').unwrap_or(group).parse().ok().filter(|g| *g < 1000)?;
            index = index.checked_mul(1000)?.checked_add(group)?;
        }
        (index <= u64::MAX / WIDTH).then_some(Self { level, index, width })
    }
}

/// The path of the C2SP specification: groups of three digits, all but the last with an `x`.
impl fmt::Display for Tile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "tile/{}/", self.level)?;
        let mut scale = 1u64;
        while self.index / scale >= 1000 {
            scale *= 1000;
        }
        while scale > 1 {
            write!(f, "x{:03}/", self.index / scale % 1000)?;
            scale /= 1000;
        }
        write!(f, "{:03}", self.index % 1000)?;
        if u64::from(self.width) < WIDTH {
            write!(f, ".p/{}", self.width)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn paths_of_the_specification() {
        let tile = |level, index, width| Tile { level, index, width }.to_string();
        assert_eq!(tile(0, 0, 256), "tile/0/000");
        assert_eq!(tile(1, 999, 255), "tile/1/999.p/255");
        assert_eq!(tile(0, 1_000, 256), "tile/0/x001/000");
        assert_eq!(tile(3, 1_234_067, 256), "tile/3/x001/x234/067");
    }

    #[test]
    fn other_spellings_are_refused() {
        for bad in [
            "",
            "tile",
            "tile/0",
            "tile/0/",
            "tile/0/0",
            "tile/00/000",
            "tile/8/000",
            "tile/0/x000/001",
            "tile/0/001/002",
            "tile/0/x001",
            "tile/0/000.p/0",
            "tile/0/000.p/256",
            "tile/0/000.p/01",
            "tile/0/000.p",
            "tile/0/+01",
            "tile/0/x+01/000",
            "/tile/0/000",
            "tile/0/000/",
            "tile/-1/000",
            "tile/0/x018/x446/x744/x073/x709/x551/616",
        ] {
            assert!(Tile::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn an_entry_stands_once_the_tile_below_is_full() {
        assert_eq!((entries(0, 255), entries(1, 255)), (255, 0));
        assert_eq!((entries(0, 256), entries(1, 256)), (256, 1));
        assert_eq!(entries(2, 65_536), 1);
        assert_eq!((entries(7, u64::MAX), entries(8, u64::MAX)), (255, 0));
        let names: Vec<_> = Tile::all(257).map(|t| t.to_string()).collect();
        assert_eq!(names, ["tile/0/000", "tile/0/001.p/1", "tile/1/000.p/1"]);
        assert_eq!(Tile::all(0).count(), 0);
    }

    #[test]
    fn places() {
        assert_eq!(Place::of(0, 9), Some(Place { level: 0, first: 9, count: 1 }));
        assert_eq!(Place::of(7, 3), Some(Place { level: 0, first: 384, count: 128 }));
        assert_eq!(Place::of(8, 3), Some(Place { level: 1, first: 3, count: 1 }));
        assert_eq!(Place::of(64, 0), None);
        assert_eq!(Place::of(8, 1 << 56), None);
        assert!(Place::of(63, 1).is_some());
    }

    proptest! {
        #[test]
        fn path_round_trip(level in 0..LEVELS, index in 0u64..=u64::MAX / WIDTH, width in 1u16..=256) {
            let tile = Tile { level, index, width };
            prop_assert_eq!(Tile::parse(&tile.to_string()).unwrap(), tile);
        }

        #[test]
        fn anything_parses_or_is_refused(path in "(tile/)?[0-9x./p]{0,24}") {
            if let Ok(tile) = Tile::parse(&path) {
                prop_assert_eq!(tile.to_string(), path);
            }
        }
    }
}
