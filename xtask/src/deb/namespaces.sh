#!/bin/sh
# namespaces.sh CHROOT FOLDER BEFORE NOW: install.sh over CHROOT, with mounts, processes and a network of its own that end
# with it. What is written goes to a tmpfs: overlays do not stack, and the folder may lie on one.
set -eu

if [ "${PEEL_INSIDE:-}" != yes ]; then
    PEEL_INSIDE=yes exec unshare --mount --net --pid --fork --kill-child --propagation private sh "$0" "$@"
fi

chroot=$1 folder=$2 before=$3 now=$4
ip link set lo up
mount -t tmpfs tmpfs "$folder"
mkdir "$folder/upper" "$folder/work" "$folder/root"
mount -t overlay overlay -o "lowerdir=$chroot,upperdir=$folder/upper,workdir=$folder/work" "$folder/root"
root=$folder/root
mount -t proc proc "$root/proc"
mount -t sysfs sysfs "$root/sys"
mount --rbind /dev "$root/dev"
mount -t tmpfs tmpfs "$root/run"
cp "$before" "$root/tmp/before.deb"
cp "$now" "$root/tmp/now.deb"
exec sh "$(dirname "$0")/install.sh" "$root"
