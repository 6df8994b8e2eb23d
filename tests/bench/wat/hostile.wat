;; A transform that harms its neighbours: the marker in the loop is what its `forward` does for ever.
(module
  (import "renkei:plugin/log@0.2.0" "write" (func $write (param i32 i32 i32 i32 i32)))
  ;; A bump allocator: the host asks for room for what it passes in.
  (memory (export "memory") 2)
  (global $top (mut i32) (i32.const 4096))
  (func (export "cabi_realloc")
    (param $old i32) (param $old_size i32) (param $align i32) (param $size i32) (result i32)
    (local $at i32)
    (local.set $at (i32.and (i32.add (global.get $top) (i32.const 7)) (i32.const -8)))
    (global.set $top (i32.add (local.get $at) (local.get $size)))
    (block $enough
      (loop $more
        (br_if $enough
          (i32.le_u (global.get $top) (i32.mul (memory.size) (i32.const 65536))))
        (br_if $more (i32.ne (memory.grow (i32.const 16)) (i32.const -1)))
        (unreachable)))
    (local.get $at))

  (data (i32.const 2048) "A long line that says nothing at all, over and over again.")

  (func $harm (result i32) (loop $again BODY (br $again)) (unreachable))
  (func (export "renkei:plugin/transform@0.2.0#forward")
    (param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32) (result i32) (call $harm))
  (func (export "renkei:plugin/transform@0.2.0#backward")
    (param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32) (result i32) (unreachable))
  (func (export "renkei:plugin/transform@0.2.0#merge")
    (param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32) (result i32) (unreachable)))
