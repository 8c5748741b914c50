;; Calls and branches: the Fibonacci numbers by their definition, which is little but
;; calls. `run` does so many rounds, each about 1,200 calls.
(module
  (func $fibonacci (param $n i64) (result i64)
    (if (result i64) (i64.lt_u (local.get $n) (i64.const 2))
      (then (local.get $n))
      (else
        (i64.add
          (call $fibonacci (i64.sub (local.get $n) (i64.const 1)))
          (call $fibonacci (i64.sub (local.get $n) (i64.const 2)))))))
  (func (export "run") (param $rounds i64) (result i64)
    (local $sum i64)
    (loop $on
      (local.set $sum (i64.add (local.get $sum) (call $fibonacci (i64.const 14))))
      (local.set $rounds (i64.sub (local.get $rounds) (i64.const 1)))
      (br_if $on (i64.ne (local.get $rounds) (i64.const 0))))
    (local.get $sum)))
