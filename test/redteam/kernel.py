# SPDX-License-Identifier: Apache-2.0
"""The kernel's side doors: calls and entries past the filter, namespaces, mounts, settings."""
import glob
import os

from redteam import Skip, arm, check, duel, main, named


def ground(world):
    world.file("work/.git/HEAD", "ref: refs/heads/main\n")
    os.makedirs(os.path.join(world.work, ".git/hooks"))
    os.makedirs(os.path.join(world.work, "point"))
    world.file("work/handle", "x")


HOOK = ".git/hooks/pre-push"
CALLS = [
    ("io_uring", "io_uring_create", HOOK),
    ("the entry of 32-bit programs", "i386_create", HOOK),
    ("the x32 numbers", "x32_create", HOOK),
    ("userfaultfd", "fault_handler"),
    ("memfd_secret", "secret_memory"),
    ("keys", "keyring"),
    ("bpf", "bpf_map"),
    ("perf_event_open", "perf_event"),
    ("a second seccomp listener", "second_listener"),
    ("TIOCSTI on its own terminal", "type_into_terminal"),
    ("TIOCLINUX", "paste_into_terminal"),
    ("a device node", "device_node", "node"),
    ("a file by its handle", "file_handle", "handle"),
    ("a user namespace by unshare", "user_by_unshare"),
    ("a user namespace by clone", "user_by_clone"),
    ("a user namespace by clone3", "user_by_clone3"),
    ("a time namespace", "time_namespace"),
    ("setns", "join"),
    ("mount", "mount_old", "point"),
    ("fsopen and move_mount", "mount_new", "point"),
    ("open_tree", "copy_tree", "."),
    ("mount_setattr", "remount_writable", "/usr"),
    ("umount", "take_mount_off", "point"),
    ("pivot_root", "other_root_by_pivot", "point"),
    ("chroot", "other_root_by_chroot", "point"),
    ("a raw socket", "make", "2", "3", "1"),
    ("a raw socket of IPv6", "make", "10", "3", "58"),
    ("a packet socket", "make", "17", "3", "0"),
    ("a vsock socket", "make", "40", "1", "0"),
    ("a key socket", "make", "15", "3", "2"),
    ("a crypto socket", "make", "38", "5", "0"),
    ("netlink of netfilter", "make", "16", "3", "12"),
    ("netlink of audit", "make", "16", "3", "9"),
    ("netlink of uevents", "make", "16", "3", "15"),
    ("a Bluetooth socket", "make", "31", "3", "0"),
    ("an XDP socket", "make", "44", "3", "0"),
    ("SCTP", "make", "2", "1", "132"),
]


def call(name, attack):
    return named(name, lambda rope: duel(rope, ["./attack", *attack], setup=ground))


SETTINGS = ["/proc/sys/kernel/core_pattern", "/proc/sys/kernel/modprobe", "/proc/sys/kernel/hostname",
            "/proc/sys/vm/overcommit_memory", "/proc/sys/net/ipv4/ip_forward",
            "/proc/sys/fs/binfmt_misc/register", "/proc/sysrq-trigger", "/proc/1/oom_score_adj",
            "/sys/kernel/uevent_helper", "/sys/power/state", "/sys/kernel/mm/ksm/run",
            "/sys/fs/cgroup/cgroup.procs", "/dev/kmsg", "/dev/mem", "/dev/port", "/dev/kvm",
            "/dev/fuse", "/dev/net/tun", "/dev/loop-control", "/dev/uinput"]


def setting(path):
    def test(rope):
        if not os.access(path, os.W_OK):
            raise Skip("this user may not write it, belay or not")
        # 1 is another process in the jail than outside, and both are not the agent's
        duel(rope, ["./attack", "open_to_write", path])
    return named("to write " + path, test)


def disks_to_read_and_write(rope):
    def opens(path):
        try:
            os.close(os.open(path, os.O_WRONLY))
            return True
        except OSError:
            return False
    disks = [d for d in glob.glob("/dev/[sv]d[a-z]*") + glob.glob("/dev/nvme*n*") if opens(d)]
    if not disks:
        raise Skip("no disk that this user may write")
    duel(rope, ["./attack", "open_to_write", disks[0]])


def its_own_cgroup(rope):
    """Out of the session's group means out of its limits, freezing and killing."""
    arm(rope)
    p = rope.sh("for f in $(find /sys/fs/cgroup -name cgroup.procs 2>/dev/null | head -n 50); do"
                " ./attack open_to_write $f && echo ESCAPED $f; done; cat /proc/self/cgroup")
    check("ESCAPED" not in p.stdout, p)


def every_setting_of_proc_and_sys(rope):
    """No file of /proc/sys, /sys or /proc itself opens for writing, whatever its name."""
    script = """
import os
bad = []
def look(top, depth):
    for folder, folders, files in os.walk(top):
        if folder.count("/") >= depth:
            folders.clear()
        for name in files:
            path = os.path.join(folder, name)
            try:
                os.close(os.open(path, os.O_WRONLY | os.O_NONBLOCK | os.O_NOCTTY))
                bad.append(path)
            except OSError:
                pass
look("/proc/sys", 9)
look("/sys", 5)
for name in os.listdir("/proc"):
    path = "/proc/" + name
    if not name.isdigit() and os.path.isfile(path):
        try:
            os.close(os.open(path, os.O_WRONLY | os.O_NONBLOCK))
            bad.append(path)
        except OSError:
            pass
print("WRITABLE", bad)
"""
    config = rope.file("config/belay/belay.yaml", "watch: {denials: {count: 0}}\n")
    p = rope.run("timeout", "25", "python3", "-c", script, options=["--config", config])
    check("WRITABLE []" in p.stdout, p)


if __name__ == "__main__":
    main([call(name, attack) for name, *attack in CALLS] + [setting(p) for p in SETTINGS] +
         [disks_to_read_and_write, its_own_cgroup, every_setting_of_proc_and_sys])
