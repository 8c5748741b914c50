;; Pointer chasing: each step reads where the next one lies, in 4 MiB, so that most
;; miss the nearer caches. `run` does so many steps, and makes the chain at its first.
(module
  (memory 64)
  (global $made (mut i32) (i32.const 0))
  ;; Slot i points to slot (5 i + 1) mod 65536, each in a line of its own: a cycle
  ;; through all of them, in an order that no prefetcher guesses.
  (func $make
    (local $slot i32)
    (loop $on
      (i32.store
        (i32.shl (local.get $slot) (i32.const 6))
        (i32.shl
          (i32.and
            (i32.add (i32.mul (local.get $slot) (i32.const 5)) (i32.const 1))
            (i32.const 0xffff))
          (i32.const 6)))
      (local.set $slot (i32.add (local.get $slot) (i32.const 1)))
      (br_if $on (i32.lt_u (local.get $slot) (i32.const 0x10000))))
    (global.set $made (i32.const 1)))
  (func (export "run") (param $rounds i64) (result i64)
    (local $at i32)
    (if (i32.eqz (global.get $made)) (then (call $make)))
    (loop $on
      (local.set $at (i32.load (local.get $at)))
      (local.set $rounds (i64.sub (local.get $rounds) (i64.const 1)))
      (br_if $on (i64.ne (local.get $rounds) (i64.const 0))))
    (i64.extend_i32_u (local.get $at))))
