//! Natively, on std's allocator.

use std::alloc::System;

use super::*;

/// A block in use, and the byte that it is full of.
struct Block {
    at: *mut u8,
    layout: Layout,
    filled: u8,
}

impl Block {
    fn allocate(allocator: &Allocator<System>, size: usize, align: usize, filled: u8) -> Self {
        let layout = Layout::from_size_align(size, align).unwrap();
        // SAFETY: the size is not zero, and the block has it.
        let at = unsafe { allocator.alloc(layout) };
        assert!(!at.is_null() && at.addr().is_multiple_of(align));
        unsafe { at.write_bytes(filled, size) };
        Self { at, layout, filled }
    }

    fn resize(&mut self, allocator: &Allocator<System>, size: usize) {
        let kept = size.min(self.layout.size());
        // SAFETY: this block came from there.
        self.at = unsafe { allocator.realloc(self.at, self.layout, size) };
        self.layout = Layout::from_size_align(size, self.layout.align()).unwrap();
        self.check(kept);
        unsafe { self.at.write_bytes(self.filled, size) };
    }

    fn check(&self, bytes: usize) {
        // SAFETY: so many of its bytes are written.
        let bytes = unsafe { std::slice::from_raw_parts(self.at, bytes) };
        assert!(bytes.iter().all(|byte| *byte == self.filled), "{:?}", self.layout);
    }

    fn leave(self, allocator: &Allocator<System>) {
        self.check(self.layout.size());
        // SAFETY: it came from there and is nobody's any more.
        unsafe { allocator.dealloc(self.at, self.layout) };
    }
}

/// Any order of taking, resizing and leaving: no block is anybody else's.
#[test]
fn blocks_do_not_overlap() {
    let allocator = Allocator::new(System);
    let mut blocks: Vec<Block> = Vec::new();
    let mut state = 1_u32;
    let mut dice = |sides: usize| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) as usize % sides
    };
    for round in 0..20_000 {
        let most = if dice(10) == 0 { 40 * SMALL } else { SMALL + UNIT };
        let size = 1 + dice(most);
        match dice(4) {
            0 if !blocks.is_empty() => blocks.swap_remove(dice(blocks.len())).leave(&allocator),
            1 if !blocks.is_empty() => {
                let chosen = dice(blocks.len());
                blocks[chosen].resize(&allocator, size);
            }
            _ => blocks.push(Block::allocate(&allocator, size, 1 << dice(7), round as u8)),
        }
    }
    assert!(blocks.len() > 100);
    blocks.into_iter().for_each(|block| block.leave(&allocator));
}

#[test]
fn freed_block_is_used_again() {
    let allocator = Allocator::new(System);
    let block = Block::allocate(&allocator, 30, 1, 1);
    let at = block.at;
    block.leave(&allocator);
    let other = Block::allocate(&allocator, 40, 1, 2);
    assert_ne!(other.at, at, "of another size");
    let mut same = Block::allocate(&allocator, 17, 8, 3);
    assert_eq!(same.at, at);
    same.resize(&allocator, 32);
    assert_eq!(same.at, at, "it had as much all along");
}
