#!/bin/sh
# namespaces.sh PROGRAM...: runs it in namespaces of its own, and removes what is left outside of them: the cgroups of the
# pods, and the node's folder. It lives until then, also when it is told to end.
#
# Each hierarchy of cgroups (one, or one for each controller) gets a group for all pods, which the kubelet wants there.
groups() {
    if test -f /sys/fs/cgroup/cgroup.controllers; then echo "/sys/fs/cgroup/$PEEL_CLUSTER_CGROUP"
    else for one in /sys/fs/cgroup/*/; do echo "$one$PEEL_CLUSTER_CGROUP"; done; fi
}
mkdir -p $(groups)
child=
trap 'test -z "$child" || kill -KILL "$child"' INT TERM HUP
unshare --mount --net --pid --fork --kill-child --mount-proc --propagation private "$@" &
child=$!
wait $child
status=$?
for attempt in 1 2 3 4 5 6 7 8 9 10; do
    find $(groups) -depth -type d -exec rmdir {} + 2>/dev/null
    test -z "$(ls -d $(groups) 2>/dev/null)" && break
    sleep 0.2
done
rm -rf "$PEEL_CLUSTER_FOLDER"
exit $status
