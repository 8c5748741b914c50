;; The no-op of `lovage bench`: a task module without a toolchain, the canonical
;; ABI by hand. Its tasks take any arguments: `noop` answers nil, `spin` never does.
;;
;; Memory, by address:
;;   16   what `describe` returns: a pointer to 256, and how many tasks
;;   64   what `run` returns: a tag, and at 72 a list
;;   256  the task-infos, of 280 bytes each
;;   1024 the texts
;;   4096 from here on, what `realloc` gives away
(component
  (import "lovage:task/types@0.1.0" (instance $types
    (type $retry' (variant
      (case "policy") (case "now") (case "after" u64) (case "never")))
    (export "retry" (type $retry (eq $retry')))
    (type $failure' (record
      (field "kind" string) (field "message" string)
      (field "detail" (option string)) (field "retry" $retry)))
    (export "failure" (type (eq $failure')))
    (type $backoff' (record
      (field "base-ms" u64) (field "factor" f64) (field "max-ms" u64)))
    (export "backoff" (type $backoff (eq $backoff')))
    (type $rate' (record (field "count" u32) (field "period-ms" u64)))
    (export "rate" (type $rate (eq $rate')))
    (type $until' (variant (case "start") (case "done") (case "for-ms" u64)))
    (export "until" (type $until (eq $until')))
    (type $conflict' (enum "existing" "reject" "replace"))
    (export "conflict" (type $conflict (eq $conflict')))
    (type $unique' (record (field "until" $until) (field "conflict" $conflict)))
    (export "unique" (type $unique (eq $unique')))
    (type $options' (record
      (field "queue" (option string)) (field "priority" (option u8))
      (field "max-attempts" (option u32)) (field "backoff" (option $backoff))
      (field "max-age-ms" (option u64)) (field "retry-exhausted" (option bool))
      (field "timeout-ms" (option u64)) (field "soft-timeout-ms" (option u64))
      (field "expiry-ms" (option u64)) (field "result-ttl-ms" (option u64))
      (field "unique" (option $unique)) (field "fuel" (option u64))
      (field "memory" (option u64)) (field "rate" (option $rate))
      (field "concurrency" (option u32))))
    (export "task-options" (type $options (eq $options')))
    (type $trigger' (variant (case "every-ms" u64) (case "cron" string)))
    (export "trigger" (type $trigger (eq $trigger')))
    (type $catch-up' (variant (case "none") (case "last") (case "all" u32)))
    (export "catch-up" (type $catch-up (eq $catch-up')))
    (type $overlap' (enum "allow" "skip" "queue" "replace"))
    (export "overlap" (type $overlap (eq $overlap')))
    (type $schedule' (record
      (field "trigger" $trigger) (field "zone" (option string)) (field "jitter-ms" u64)
      (field "catch-up" $catch-up) (field "overlap" $overlap)))
    (export "schedule" (type $schedule (eq $schedule')))
    (type $info' (record
      (field "name" string) (field "doc" string)
      (field "input-schema" string) (field "output-schema" string)
      (field "options" $options) (field "schedules" (list $schedule))))
    (export "task-info" (type (eq $info')))
    (type $call-error' (variant
      (case "denied" string) (case "invalid" string)
      (case "limit" string) (case "unavailable" string)))
    (export "call-error" (type (eq $call-error')))))
  (alias export $types "failure" (type $failure))
  (alias export $types "task-info" (type $info))
  (alias export $types "call-error" (type $call-error))

  (core module $Libc
    (memory (export "memory") 2)
    (global $next (mut i32) (i32.const 4096))
    (func (export "realloc") (param i32 i32 i32 i32) (result i32)
      (local $at i32)
      ;; Rounded up to 8.
      (local.set $at (i32.and (i32.add (global.get $next) (i32.const 7)) (i32.const -8)))
      (global.set $next (i32.add (local.get $at) (local.get 3)))
      (local.get $at)))
  (core instance $libc (instantiate $Libc))
  (alias core export $libc "memory" (core memory $memory))
  (alias core export $libc "realloc" (core func $realloc))

  (core module $Main
    (import "libc" "memory" (memory 0))
    (data (i32.const 1024) "noop")
    (data (i32.const 1028) "")
    (data (i32.const 1028) "{}")
    (data (i32.const 1030) "{}")
    (data (i32.const 1032) "spin")
    (data (i32.const 256) "\00\04\00\00\04\00\00\00\04\04\00\00\00\00\00\00\04\04\00\00\02\00\00\00\06\04\00\00\02")
    (data (i32.const 536) "\08\04\00\00\04\00\00\00\04\04\00\00\00\00\00\00\04\04\00\00\02\00\00\00\06\04\00\00\02")
    ;; nil, in MessagePack
    (data (i32.const 1200) "\c0")
    (func (export "describe") (result i32)
      (i32.store (i32.const 16) (i32.const 256))
      (i32.store (i32.const 20) (i32.const 2))
      (i32.const 16))
    ;; Whatever `run` does, it leaves its answer at 64.
    (func $respond (param $at i32) (param $length i32)
      (i32.store8 (i32.const 64) (i32.const 0))
      (i32.store (i32.const 72) (local.get $at))
      (i32.store (i32.const 76) (local.get $length)))
    (func (export "run")
      (param $task i32) (param $task-length i32)
      (param $input i32) (param $input-length i32) (result i32)
      ;; By its first letter.
      (if (i32.eq (i32.load8_u (local.get $task)) (i32.const 115))
        (then (loop $on (br $on))))
      (call $respond (i32.const 1200) (i32.const 1))
      (i32.const 64)))
  (core instance $main (instantiate $Main (with "libc" (instance $libc))))

  (func $describe (result (list $info))
    (canon lift (core func $main "describe") (memory $memory) (realloc $realloc)))
  (func $run
    (param "task" string) (param "input" (list u8))
    (result (result (list u8) (error $failure)))
    (canon lift (core func $main "run") (memory $memory) (realloc $realloc)))
  (instance $handler
    (export "describe" (func $describe))
    (export "run" (func $run)))
  (export "lovage:task/handler@0.1.0" (instance $handler)))
