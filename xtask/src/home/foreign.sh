#!/bin/sh
# foreign.sh PROGRAM...: runs it as root of a user namespace of its own, where programs for arm64 run under qemu-user. Nothing
# is registered outside: since Linux 6.7 binfmt_misc is a user namespace's own.
set -eu
if test "$1" = --inside; then
    shift
    mount -t binfmt_misc binfmt_misc /proc/sys/fs/binfmt_misc
    # An ELF file of 64 bits, for machine 183 (0xb7). F: the interpreter is opened now, and serves in every chroot.
    printf '%s%s:/usr/bin/qemu-aarch64-static:FP' \
        ':qemu-aarch64:M::\x7fELF\x02\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00\xb7\x00' \
        ':\xff\xff\xff\xff\xff\xff\xff\x00\xff\xff\xff\xff\xff\xff\xff\xff\xfe\xff\xff\xff' \
        >/proc/sys/fs/binfmt_misc/register
    exec "$@"
fi
folder=$(mktemp -d)
trap 'rm -r "$folder"' EXIT
mkfifo "$folder/made" "$folder/mapped"
# The program is started when every id of the namespace is mapped to itself: as its root, with all capabilities there.
unshare --user sh -c '
    echo >"$1/made"
    read -r _ <"$1/mapped"
    shift
    exec unshare --mount --pid --fork --kill-child --mount-proc sh "$@"
' sh "$folder" "$0" --inside "$@" &
child=$!
read -r _ <"$folder/made"
for map in uid_map gid_map; do echo "0 0 65536" >"/proc/$child/$map"; done
echo >"$folder/mapped"
wait "$child"
