#!/bin/sh
# start.sh FOLDER: the real NetworkManager with two interfaces of its own, eth0 and wwan0, the second one metered. Its bus
# is at FOLDER/bus. It is started in namespaces of its own (mounts, network, processes), and ends with its input; each line
# of that are words for nmcli, which may change connections in the same namespace only.
set -eu
folder=$1
# Without udev, NetworkManager takes a system whose sysfs is read-only for a container, and waits for no udev.
mount -t sysfs -o ro sysfs /sys
mount -t tmpfs tmpfs /run
mount -t tmpfs tmpfs /etc/NetworkManager
mount -t tmpfs tmpfs /var/lib/NetworkManager
mkdir -p /run/NetworkManager /etc/NetworkManager/system-connections
ip link set lo up
cat > /etc/NetworkManager/NetworkManager.conf <<'END'
[main]
plugins=keyfile
dns=none
[keyfile]
unmanaged-devices=interface-name:far*
END
# NMMetered: 1 is yes, 2 is no.
host=1
for line in eth0=2 wwan0=1; do
    name=${line%=*}
    host=$((host + 1))
    ip link add "$name" type veth peer name "far$host"
    ip link set "far$host" up
    cat > "/etc/NetworkManager/system-connections/$name.nmconnection" <<END
[connection]
id=$name
type=ethernet
interface-name=$name
metered=${line#*=}
[ipv4]
method=manual
address1=192.0.2.$host/24,192.0.2.1
[ipv6]
method=disabled
END
done
chmod 600 /etc/NetworkManager/system-connections/*
export DBUS_SYSTEM_BUS_ADDRESS="unix:path=$folder/bus"
# It forks when its socket is there.
dbus-daemon --session --fork --address="$DBUS_SYSTEM_BUS_ADDRESS"
NetworkManager --no-daemon < /dev/null &
while read -r words; do
    # shellcheck disable=SC2086 # these are words
    nmcli $words
done
