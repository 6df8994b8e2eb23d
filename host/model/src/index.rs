//! Positions as types, and lists that hold one entry for each of them.
//!
//! A bare number says not of what it is the position, and a look-up by it that misses is easily
//! read as a default. So each kind of position has a type, and a list takes only its own. A list
//! per field or per member is made from the entity ([`PerField`], [`PerMember`]), so a position of
//! that entity cannot miss. Stored state is made to fit where it is fetched
//! ([`crate::store::fetch`]).

use std::fmt;
use std::marker::PhantomData;
use std::ops::{Index, IndexMut};

/// A position in lists of one kind.
pub trait Position: Copy {
    /// The position with this number, from 0.
    fn of_number(number: usize) -> Self;

    /// Its number, from 0.
    fn number(self) -> usize;
}

/// A position in lists of any length, which belong to one plan.
pub trait LocalPosition: Position {}

/// One entry per field of an entity.
pub type PerField<T> = Indexed<FieldIndex, T>;

/// One entry per member of an entity.
pub type PerMember<T> = Indexed<MemberIndex, T>;

macro_rules! positions {
    ($($(#[$doc:meta])* $name:ident;)+) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub usize);

        impl Position for $name {
            fn of_number(number: usize) -> Self {
                Self(number)
            }

            fn number(self) -> usize {
                self.0
            }
        }
    )+};
}

positions! {
    /// Position of a field in its entity.
    FieldIndex;
    /// Position of a member in its entity.
    MemberIndex;
    /// Position of a group of columns in its member.
    GroupIndex;
    /// Position of a record among those of a link.
    RecordIndex;
    /// Position of an active record among those of a link.
    ActiveIndex;
    /// Position of a member's view of a field among those that are merged.
    MemberFieldIndex;
}

impl LocalPosition for RecordIndex {}
impl LocalPosition for ActiveIndex {}
impl LocalPosition for MemberFieldIndex {}

/// A list whose entries are found by one kind of position.
pub struct Indexed<I, T> {
    items: Vec<T>,
    position: PhantomData<fn(I)>,
}

impl<I: Position, T> Indexed<I, T> {
    pub(crate) fn from_items(items: Vec<T>) -> Self {
        Self { items, position: PhantomData }
    }

    pub(crate) fn items_mut(&mut self) -> &mut Vec<T> {
        &mut self.items
    }

    /// The number of entries.
    pub fn len(&self) -> usize {
        self.items.len()
    }

    /// True if there is no entry.
    pub fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// The positions of all entries.
    pub fn positions(&self) -> impl Iterator<Item = I> + use<I, T> {
        (0..self.items.len()).map(I::of_number)
    }

    /// The entries with their positions.
    pub fn iter(&self) -> impl Iterator<Item = (I, &T)> {
        self.items.iter().enumerate().map(|(number, item)| (I::of_number(number), item))
    }

    /// The entries in order.
    pub fn values(&self) -> std::slice::Iter<'_, T> {
        self.items.iter()
    }

    /// The entries in order, to be changed.
    pub fn values_mut(&mut self) -> std::slice::IterMut<'_, T> {
        self.items.iter_mut()
    }

    /// The entries as values.
    pub fn into_values(self) -> std::vec::IntoIter<T> {
        self.items.into_iter()
    }

    /// The entry at a position that may be of another list, as that of a field in a link which may
    /// be of another entity.
    pub fn find(&self, position: I) -> Option<&T> {
        self.items.get(position.number())
    }
}

impl<T: Default> PerField<T> {
    /// Defaults for so many fields; the codec of stored items knows an entity by its names.
    pub fn defaults(fields: usize) -> Self {
        Self::from_items((0..fields).map(|_| T::default()).collect())
    }
}

impl<I: LocalPosition, T> From<Vec<T>> for Indexed<I, T> {
    fn from(items: Vec<T>) -> Self {
        Self::from_items(items)
    }
}

impl<I: LocalPosition, T> FromIterator<T> for Indexed<I, T> {
    fn from_iter<Items: IntoIterator<Item = T>>(items: Items) -> Self {
        Self::from_items(items.into_iter().collect())
    }
}

impl<I: Position, T> Index<I> for Indexed<I, T> {
    type Output = T;

    fn index(&self, position: I) -> &T {
        entry(&self.items, position)
    }
}

impl<I: Position, T> IndexMut<I> for Indexed<I, T> {
    #[expect(clippy::indexing_slicing, reason = "as in `entry`")]
    fn index_mut(&mut self, position: I) -> &mut T {
        &mut self.items[position.number()]
    }
}

/// The entry of a list at a position of that list.
#[expect(
    clippy::indexing_slicing,
    reason = "a position is taken from a list as long, and the lists of an entity fit it: \
              `Spec::new` checks the mapping's, `store::fetch` the stored ones"
)]
pub(crate) fn entry<I: Position, T>(items: &[T], position: I) -> &T {
    &items[position.number()]
}

impl<I, T: Clone> Clone for Indexed<I, T> {
    fn clone(&self) -> Self {
        Self { items: self.items.clone(), position: PhantomData }
    }
}

impl<I, T: PartialEq> PartialEq for Indexed<I, T> {
    fn eq(&self, other: &Self) -> bool {
        self.items == other.items
    }
}

impl<I, T: Eq> Eq for Indexed<I, T> {}

impl<I, T: fmt::Debug> fmt::Debug for Indexed<I, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.items.fmt(f)
    }
}
