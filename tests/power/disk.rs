//! A disk that a power loss hits: what was synced is there, of the rest any part. A file's contents are lost by the sector
//! (512 bytes), its length and the names of a directory apart from them; a name lasts once its directory was synced.
//!
//! Stricter than any file system that we know: those keep names in the order in which they were made.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use crate::random;

const SECTOR: usize = 512;
/// Sectors of a page, which a file system writes in one go when it can.
const PAGE: u64 = 8;

/// When something was done: the number of calls before it.
pub type Moment = usize;

/// What a sector holds; none for zeros.
type Content = Option<Rc<[u8; SECTOR]>>;

/// What was last synced, and what came after it, the oldest first.
#[derive(Clone)]
struct Past<T> {
    synced: T,
    later: Vec<(Moment, T)>,
}

impl<T: Clone> Past<T> {
    const fn new(synced: T) -> Self {
        let later = Vec::new();
        Self { synced, later }
    }

    fn now(&self) -> &T {
        self.later.last().map_or(&self.synced, |(_, value)| value)
    }

    /// What was done before this moment will last.
    fn sync(&mut self, before: Moment) {
        let done = self.later.iter().take_while(|(at, _)| *at < before).count();
        if let Some((_, value)) = self.later.drain(..done).next_back() {
            self.synced = value;
        }
    }

    /// Before, between or after what is not synced.
    fn any_moment(&self) -> Moment {
        let done = random(self.later.len() as u64 + 1) as usize;
        done.checked_sub(1).map_or(0, |last| self.later[last].0 + 1)
    }

    /// What is left when only these changes reached the medium.
    fn left(&self, reached: &dyn Fn(Moment) -> bool) -> &T {
        let last = self.later.iter().rev().find(|(at, _)| reached(*at));
        last.map_or(&self.synced, |(_, value)| value)
    }
}

struct Inode {
    length: Past<u64>,
    sectors: BTreeMap<u64, Past<Content>>,
    /// Sectors that changed since they were synced.
    unsynced: BTreeSet<u64>,
}

#[derive(Clone, Copy)]
enum Node {
    Folder,
    File(usize),
}

/// A change of names.
enum Naming {
    Made(PathBuf, Node),
    Renamed(PathBuf, PathBuf),
    Gone(PathBuf),
}

type Names = BTreeMap<PathBuf, Node>;

/// How much of what was not synced has reached the medium.
#[derive(Clone, Copy, Debug)]
pub enum Loss {
    /// Nothing.
    All,
    /// All that was done before some moment: as on a disk that keeps the order.
    TheLatest,
    /// All of it, as after a kill.
    Nothing,
    /// Of each call all or nothing, in any order.
    Calls,
    /// Of each page its state at some moment.
    Pages,
    /// The same by the sector, so that a page is torn.
    Sectors,
}

impl Loss {
    pub const ALL: [Self; 6] = [
        Self::All,
        Self::TheLatest,
        Self::Nothing,
        Self::Calls,
        Self::Pages,
        Self::Sectors,
    ];
}

/// The disk, with all that it could still lose. Paths are those below one directory.
pub struct Disk {
    inodes: Vec<Inode>,
    names: Names,
    synced_names: Names,
    namings: Vec<(Moment, Naming)>,
    /// The latest moment of any change.
    now: Moment,
}

impl Disk {
    /// A disk with this directory, all of it synced.
    pub fn of(directory: &Path) -> Self {
        let mut disk = Self {
            inodes: Vec::new(),
            names: Names::from([(directory.to_owned(), Node::Folder)]),
            synced_names: Names::new(),
            namings: Vec::new(),
            now: 0,
        };
        let mut folders = vec![directory.to_owned()];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).expect("a directory") {
                let path = entry.expect("an entry").path();
                if path.is_dir() {
                    disk.make(&path, Node::Folder, 0);
                    folders.push(path);
                } else if path.is_file() {
                    disk.open(&path, false, 0);
                    disk.write(&path, 0, &std::fs::read(&path).expect("read"), 0);
                }
            }
        }
        for inode in 0..disk.inodes.len() {
            disk.inodes[inode].sync(1);
        }
        disk.namings.clear();
        disk.synced_names = disk.names.clone();
        disk
    }

    fn change(&mut self, at: Moment, naming: Naming) {
        apply(&mut self.names, &naming);
        self.namings.push((at, naming));
        self.now = at;
    }

    fn make(&mut self, path: &Path, node: Node, at: Moment) {
        self.change(at, Naming::Made(path.to_owned(), node));
    }

    pub fn make_folder(&mut self, path: &Path, at: Moment) {
        self.make(path, Node::Folder, at);
    }

    /// A file is opened to be written, and made when there is none.
    pub fn open(&mut self, path: &Path, empties: bool, at: Moment) {
        if self.names.contains_key(path) {
            if empties {
                self.cut(path, 0, at);
            }
            return;
        }
        self.inodes.push(Inode {
            length: Past::new(0),
            sectors: BTreeMap::new(),
            unsynced: BTreeSet::new(),
        });
        self.make(path, Node::File(self.inodes.len() - 1), at);
    }

    pub fn rename(&mut self, from: &Path, to: &Path, at: Moment) {
        assert_eq!(from.parent(), to.parent(), "a file stays in its directory");
        self.change(at, Naming::Renamed(from.to_owned(), to.to_owned()));
    }

    pub fn remove(&mut self, path: &Path, at: Moment) {
        // The socket is made by a call that nobody follows.
        if self.names.contains_key(path) {
            self.change(at, Naming::Gone(path.to_owned()));
        }
    }

    fn inode(&mut self, path: &Path) -> Option<&mut Inode> {
        match self.names.get(path) {
            Some(Node::File(inode)) => self.inodes.get_mut(*inode),
            Some(Node::Folder) | None => None,
        }
    }

    pub fn write(&mut self, path: &Path, offset: u64, bytes: &[u8], at: Moment) {
        self.now = at;
        let inode = self.inode(path);
        inode
            .unwrap_or_else(|| panic!("{} is written and was never opened", path.display()))
            .write(offset, bytes, at);
    }

    pub fn cut(&mut self, path: &Path, length: u64, at: Moment) {
        self.now = at;
        let inode = self.inode(path);
        inode
            .unwrap_or_else(|| panic!("{} is cut and was never opened", path.display()))
            .cut(length, at);
    }

    /// A sync that began at this moment has ended.
    pub fn sync(&mut self, path: &Path, begun: Moment) {
        if let Some(inode) = self.inode(path) {
            inode.sync(begun);
            return;
        }
        let is_synced = |(at, naming): &mut (Moment, Naming)| {
            let place = match naming {
                Naming::Made(path, _) | Naming::Renamed(_, path) | Naming::Gone(path) => path,
            };
            *at < begun && place.parent() == Some(path)
        };
        for (_, naming) in self.namings.extract_if(.., is_synced) {
            apply(&mut self.synced_names, &naming);
        }
    }

    /// Makes what a power loss now would leave, in an empty directory that stands for `root`.
    pub fn lose_power(&self, loss: Loss, root: &Path, image: &Path) {
        let fate = Fate {
            loss,
            latest: random(self.now as u64 + 2) as Moment,
            salt: random(u64::MAX),
        };
        let mut names = self.synced_names.clone();
        for (_, naming) in self.namings.iter().filter(|(at, _)| fate.reached(*at)) {
            apply(&mut names, naming);
        }
        for (path, node) in &names {
            let place = image.join(path.strip_prefix(root).expect("below the root"));
            if !place.parent().is_some_and(Path::exists) {
                continue;
            }
            match node {
                Node::Folder => std::fs::create_dir_all(place).expect("made"),
                Node::File(inode) => self.inodes[*inode].lose_power(&fate, &place),
            }
        }
    }
}

/// What a power loss leaves of what was not synced.
struct Fate {
    loss: Loss,
    latest: Moment,
    salt: u64,
}

impl Fate {
    /// Whether the change of that moment has reached the medium as a whole.
    fn reached(&self, at: Moment) -> bool {
        match self.loss {
            Loss::All => false,
            Loss::TheLatest => at < self.latest,
            Loss::Nothing => true,
            Loss::Calls | Loss::Pages | Loss::Sectors => {
                let drawn = [self.salt.to_be_bytes(), (at as u64).to_be_bytes()].concat();
                blake3::hash(&drawn).as_bytes()[0] & 1 == 1
            }
        }
    }
}

fn apply(names: &mut Names, naming: &Naming) {
    match naming {
        Naming::Made(path, node) => {
            names.insert(path.clone(), *node);
        }
        // Of a name that is not there nothing is renamed.
        Naming::Renamed(from, to) => {
            if let Some(node) = names.remove(from) {
                names.insert(to.clone(), node);
            }
        }
        Naming::Gone(path) => {
            names.remove(path);
        }
    }
}

impl Inode {
    fn write(&mut self, offset: u64, bytes: &[u8], at: Moment) {
        let mut written = 0;
        while written < bytes.len() {
            let here = offset + written as u64;
            let (sector, from) = (here / SECTOR as u64, here as usize % SECTOR);
            let part = &bytes[written..bytes.len().min(written + SECTOR - from)];
            self.change(sector, at, |content| {
                content[from..from + part.len()].copy_from_slice(part);
            });
            written += part.len();
        }
        let end = offset + bytes.len() as u64;
        if end > *self.length.now() {
            self.length.later.push((at, end));
        }
    }

    fn change(&mut self, sector: u64, at: Moment, change: impl Fn(&mut [u8; SECTOR])) {
        let past = self
            .sectors
            .entry(sector)
            .or_insert_with(|| Past::new(None));
        let mut content = past.now().as_deref().copied().unwrap_or([0; SECTOR]);
        change(&mut content);
        let content = (content != [0; SECTOR]).then(|| Rc::new(content));
        past.later.push((at, content));
        self.unsynced.insert(sector);
    }

    fn cut(&mut self, length: u64, at: Moment) {
        let first = length / SECTOR as u64;
        let beyond: Vec<u64> = self.sectors.range(first..).map(|(at, _)| *at).collect();
        for sector in beyond {
            let from = if sector == first {
                length as usize % SECTOR
            } else {
                0
            };
            self.change(sector, at, |content| content[from..].fill(0));
        }
        self.length.later.push((at, length));
    }

    fn sync(&mut self, before: Moment) {
        self.length.sync(before);
        let sectors = &mut self.sectors;
        self.unsynced.retain(|sector| {
            let past = sectors.get_mut(sector).expect("it was written");
            past.sync(before);
            !past.later.is_empty()
        });
    }

    fn lose_power(&self, fate: &Fate, place: &Path) {
        let file = File::create(place).expect("made");
        let length = *self.length.left(&|at| fate.reached(at));
        file.set_len(length).expect("sized");
        let mut page = (u64::MAX, 0);
        for (sector, past) in &self.sectors {
            if page.0 != sector / PAGE && !past.later.is_empty() {
                page = (sector / PAGE, past.any_moment());
            }
            let content = match fate.loss {
                Loss::All | Loss::TheLatest | Loss::Nothing | Loss::Calls => {
                    past.left(&|at| fate.reached(at))
                }
                Loss::Pages => past.left(&|at| at < page.1),
                Loss::Sectors => {
                    let until = past.any_moment();
                    past.left(&|at| at < until)
                }
            };
            let start = sector * SECTOR as u64;
            if let Some(content) = content
                && start < length
            {
                let room = usize::try_from(length - start).map_or(SECTOR, |room| room.min(SECTOR));
                file.write_all_at(&content[..room], start).expect("written");
            }
        }
    }
}
