# Makes systemd the first process of this PID namespace, on a copy-on-write image of this machine. Started by
# unshare(1) in namespaces of its own. $PLACE: an empty directory; $APP: a directory for /opt/git-snapshots; $UNIT: its
# unit; $PORT and $GITHUB_BASE_URL: of the app.
set -eu
mount -t tmpfs tmpfs "$PLACE"
mkdir "$PLACE/upper" "$PLACE/work" "$PLACE/root"
root=$PLACE/root
mount -t overlay -o "lowerdir=/,upperdir=$PLACE/upper,workdir=$PLACE/work" overlay "$root"
mount -t proc proc "$root/proc"
mount -t sysfs -o ro sysfs "$root/sys"
mount -t cgroup2 cgroup2 "$root/sys/fs/cgroup"
mount --rbind /dev "$root/dev"
mount -t tmpfs tmpfs "$root/run"
# systemd empties it at the start.
mount -t tmpfs tmpfs "$root/tmp"
cp -a "$APP" "$root/opt/git-snapshots"
chmod a+rx "$root/opt/git-snapshots"
units=$root/etc/systemd/system
rm -rf "$units"
mkdir -p "$units/machine.target.wants"
cp "$UNIT" "$units/git-snapshots.service"
echo '[Unit]' >"$units/machine.target"
ln -s ../git-snapshots.service "$units/machine.target.wants/"
printf 'PORT=%s\nGITHUB_BASE_URL=%s\n' "$PORT" "$GITHUB_BASE_URL" >"$root/etc/git-snapshots.env"
cd "$root"
mkdir -p old
pivot_root . old
cd /
umount -l /old
exec env -i container=other PATH="$PATH" /lib/systemd/systemd --system --unit=machine.target --log-target=console
