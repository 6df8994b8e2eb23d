//! The guest's allocator: small blocks by size, everything else by a general allocator.
//!
//! Every text that crosses the boundary is a block of its own, so a batch of a thousand rows is
//! tens of thousands of them. A block of up to [`SMALL`] bytes is taken from the list of free ones
//! of its size, or cut from a larger piece; given back, it goes to that list and stays in it. That
//! is a few instructions, where a general allocator looks for a gap and joins gaps again.

#![expect(unsafe_code, reason = "an allocator deals in addresses")]

use std::alloc::{GlobalAlloc, Layout};
use std::cell::UnsafeCell;
use std::ptr::null_mut;

/// Sizes and addresses of small blocks are multiples of this.
const UNIT: usize = 16;
/// The largest small block, bytes.
const SMALL: usize = 512;
/// The size of a piece that is cut into small blocks, bytes. Each growth of the memory is a
/// call of the host.
const PIECE: usize = 252 << 10;

/// An allocator for one thread, with `large` below it.
#[derive(Debug)]
pub(crate) struct Allocator<L> {
    large: L,
    small: UnsafeCell<Small>,
}

#[derive(Debug)]
struct Small {
    /// The first free block by size in units; each begins with the address of the next.
    free: [*mut u8; SMALL / UNIT + 1],
    /// The rest of the piece, and its length.
    next: *mut u8,
    left: usize,
}

// SAFETY: a component has one thread; `talc`, which this one is built on there, checks it too.
#[cfg(target_family = "wasm")]
unsafe impl<L> Sync for Allocator<L> {}

impl<L: GlobalAlloc> Allocator<L> {
    /// Has large blocks, and pieces to cut, from `large`.
    pub(crate) const fn new(large: L) -> Self {
        let small = Small { free: [null_mut(); SMALL / UNIT + 1], next: null_mut(), left: 0 };
        Self { large, small: UnsafeCell::new(small) }
    }

    /// The size of a small block for this, in units.
    const fn units(layout: Layout) -> Option<usize> {
        if layout.size() <= SMALL && layout.align() <= UNIT {
            Some(layout.size().div_ceil(UNIT))
        } else {
            None
        }
    }

    #[cold]
    fn piece(&self, small: &mut Small) -> bool {
        // SAFETY: the size is not zero.
        small.next = unsafe { self.large.alloc(Layout::new::<[u128; PIECE / UNIT]>()) };
        small.left = if small.next.is_null() { 0 } else { PIECE };
        small.left > 0
    }
}

// SAFETY: a block is in use, in a list of free ones of its size, or not yet cut: one of the three.
unsafe impl<L: GlobalAlloc> GlobalAlloc for Allocator<L> {
    #[inline]
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let Some(units) = Self::units(layout) else {
            // SAFETY: the caller's.
            return unsafe { self.large.alloc(layout) };
        };
        // SAFETY: one thread, and nothing below allocates from here.
        let small = unsafe { &mut *self.small.get() };
        let Some(free) = small.free.get_mut(units) else { return null_mut() };
        if !free.is_null() {
            let block = *free;
            // SAFETY: a free block begins with the address of the next.
            *free = unsafe { block.cast::<*mut u8>().read() };
            return block;
        }
        let size = units * UNIT;
        if small.left < size && !self.piece(small) {
            return null_mut();
        }
        let block = small.next;
        // SAFETY: so much is left of the piece.
        small.next = unsafe { block.add(size) };
        small.left -= size;
        block
    }

    #[inline]
    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        let Some(units) = Self::units(layout) else {
            // SAFETY: the caller's; large blocks come from there.
            return unsafe { self.large.dealloc(block, layout) };
        };
        // SAFETY: one thread.
        let small = unsafe { &mut *self.small.get() };
        if let Some(free) = small.free.get_mut(units) {
            // SAFETY: the block is at least one unit, and nobody's any more.
            unsafe { block.cast::<*mut u8>().write(*free) };
            *free = block;
        }
    }

    #[inline]
    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: the caller's: not zero, and not too large.
        let new = unsafe { Layout::from_size_align_unchecked(size, layout.align()) };
        match (Self::units(layout), Self::units(new)) {
            // SAFETY: the caller's; large blocks come from there.
            (None, None) => unsafe { self.large.realloc(block, layout, size) },
            (Some(before), Some(after)) if before == after => block,
            _ => {
                // SAFETY: the caller's; both blocks have what is copied.
                unsafe {
                    let moved = self.alloc(new);
                    if !moved.is_null() {
                        moved.copy_from_nonoverlapping(block, size.min(layout.size()));
                        self.dealloc(block, layout);
                    }
                    moved
                }
            }
        }
    }
}

#[cfg(test)]
mod tests;
