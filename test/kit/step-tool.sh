#!/bin/sh
# Stands on PATH for a program of the node, and does what that does; but waits, fails or lies where a test wants it to (steps.ts).
tool=${0##*/}
steps=${0%/*}/../steps
read -r PATH <"$steps/path" || :
export PATH

# What it is about: its arguments, and the file behind each loop device among them.
subject="$*"
for argument; do
  case $argument in
  /dev/loop*) subject="$subject $(cat "/sys/block/${argument#/dev/}/loop/backing_file" 2>/dev/null)" ;;
  esac
  device=$argument
done

# Tells the test that it is here, and goes on when the test has taken the step away.
wait_here() {
  echo $$ >"$steps/pid.$$"
  mv "$steps/pid.$$" "$steps/reached.${1##*/}"
  while [ -e "$1" ]; do sleep 0.02; done
}

for step in "$steps/$tool".*; do
  { read -r act && read -r pattern; } <"$step" 2>/dev/null || continue
  # shellcheck disable=SC2254
  case $subject in $pattern) ;; *) continue ;; esac
  case $act in
  fails)
    echo "$tool: the test wants it to fail" >&2
    exit 1
    ;;
  lies) exit 0 ;;
  before) wait_here "$step" ;;
  after)
    "$tool" "$@"
    code=$?
    wait_here "$step"
    exit $code
    ;;
  half)
    # The superblock comes last: as a mke2fs leaves it that was killed just before.
    "$tool" "$@" && dd if=/dev/zero of="$device" bs=1024 seek=1 count=1 conv=notrunc,fsync 2>/dev/null
    wait_here "$step"
    exit 1
    ;;
  esac
done
exec "$tool" "$@"
