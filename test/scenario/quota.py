# SPDX-License-Identifier: Apache-2.0
"""What a session may use: each limit with a process that goes over it, and one that does not."""
import json
import os

from rope import Skip, check, main, wait_for


def settings(rope, text):
    return ["--config", rope.file("config/quota.yaml", text)]


def limits(rope, name):
    return [e for e in rope.log() if "over limits.%s" % name in json.dumps(e)]


def frozen_by(rope, name, limit, program, control):
    """Frozen, recorded, told; what stays below goes through under the same settings."""
    options = settings(rope, "limits: {%s: %s}\n" % (name, limit))
    p = rope.run("python3", "-c", control, options=options)
    check(p.returncode == 0 and not limits(rope, name), "what stays below is left alone", p)
    p = rope.start("run", *options, "--", "python3", "-c", program)
    session = wait_for(lambda: [s for s in rope.sessions() if s["state"] == "frozen"], "the freeze")[0]
    found = limits(rope, name)
    check(found and "raise limits.%s in belay.yaml" % name in json.dumps(found[0]), rope.log()[-4:])
    rope.belay("kill", session["session"])
    _, err = p.communicate(timeout=30)
    check("over limits.%s" % name in err, "the person is told", err)


def memory(rope):
    frozen_by(rope, "memory", "96M", "import time\nx = [bytearray(b'x' * (1 << 20)) for _ in range(200)]\n"
              "time.sleep(60)", "x = bytearray(b'x' * (8 << 20))")


def memory_of_many(rope):
    """No single process is large."""
    frozen_by(rope, "memory", "160M", "import os, time\nfor i in range(8):\n if os.fork() == 0:\n"
              "  x = bytearray(os.urandom(1 << 20) * 32)\n  time.sleep(60)\ntime.sleep(60)", "pass")


def cpu(rope):
    frozen_by(rope, "cpu", "2s", "while True: pass", "pass")


def cpu_of_many_that_end(rope):
    """Each lives for a moment and is nobody's child when it ends."""
    frozen_by(rope, "cpu", "3s", "import os, time\nwhile True:\n p = os.fork()\n if p == 0:\n  if os.fork() == 0:\n"
              "   e = time.process_time() + 0.2\n   while time.process_time() < e: pass\n  os._exit(0)\n"
              " os.waitpid(p, 0)\n time.sleep(0.25)", "pass")


def written(rope):
    at = os.path.join(rope.work, "probe")
    with open("/proc/self/io") as f:
        before = f.read()
    with open(at, "wb") as f:
        f.write(b"x" * (1 << 20))
        os.fsync(f.fileno())
    with open("/proc/self/io") as f:
        after = f.read()
    amount = [int(t.split("write_bytes: ")[1].split()[0]) for t in (before, after)]
    if amount[1] - amount[0] < 1 << 20:
        raise Skip("this file system does not count what is written to it")
    frozen_by(rope, "written", "32M", "import os, time\nfor i in range(400):\n with open('f', 'wb') as f:\n"
              "  f.write(b'x' * (1 << 20))\n  f.flush()\n  os.fsync(f.fileno())\n time.sleep(0.01)\ntime.sleep(60)",
              "open('g', 'wb').write(b'x' * (1 << 20))")


def time_that_kills(rope):
    options = settings(rope, "limits: {time: 1s, kill: [time]}\n")
    p = rope.sh("sleep 30", options=options)
    check(p.returncode == 124 or p.returncode > 120, p)
    check("over limits.time" in p.stderr and limits(rope, "time"), p)
    check(rope.sh("true", options=options).returncode == 0, "in time")


def cpu_that_throttles(rope):
    """It goes on, with what others leave."""
    options = settings(rope, "limits: {cpu: 1s, throttle: [cpu]}\n")
    p = rope.run("python3", "-c", "import os, time\nwhile time.process_time() < 2.5: pass\n"
                 "print(os.getpriority(os.PRIO_PROCESS, 0), 'DONE')", options=options, timeout=60)
    check(p.returncode == 0 and "DONE" in p.stdout, p)
    check(p.stdout.startswith("19") or os.path.exists("/sys/fs/cgroup/cpu.max"), p)
    check("slowed down" in p.stderr and limits(rope, "cpu"), p)


def frozen_and_let_go_on(rope):
    """A person gives it as much again, and is not asked at once again."""
    p = rope.start("run", *settings(rope, "limits: {cpu: 1s}\n"), "--", "python3", "-c",
                   "import time\nwhile time.process_time() < 1.5: pass\nprint('DONE')")
    session = wait_for(lambda: [s for s in rope.sessions() if s["state"] == "frozen"], "the freeze")[0]
    check(rope.belay("resume", session["session"]).returncode == 0)
    out, err = p.communicate(timeout=30)
    check("DONE" in out and err.count("over limits.cpu") == 1, out, err)


def processes(rope):
    p = rope.run("python3", "-c", "import os, time\nn = 0\ntry:\n for i in range(200):\n  if os.fork() == 0:\n"
                 "   time.sleep(1.5)\n   os._exit(0)\n  n += 1\nexcept OSError as e:\n print(e.errno)\n"
                 "print('MADE', n)", options=settings(rope, "limits: {processes: 40}\n"))
    made = int(p.stdout.split("MADE ")[1])
    if made == 200 and os.geteuid() == 0:
        raise Skip("root's processes are not limited on this kernel and without the pids controller")
    check("11" in p.stdout and made <= 40, p)


def files(rope):
    program = "import os, time\nn = []\ntry:\n while len(n) < 500: n.append(os.open('/dev/null', 0))\n" \
              "except OSError as e:\n print(e.errno)\nprint('HAD', len(n))\ntime.sleep(%s)"
    p = rope.run("python3", "-c", program % 3, options=settings(rope, "limits: {files: 80}\n"))
    check("24" in p.stdout and int(p.stdout.split("HAD ")[1]) <= 80, p)
    check("over limits.files" in p.stderr or not os.stat("/proc/self/fd").st_size, "it is told", p)
    p = rope.run("python3", "-c", program % 0)
    check("HAD 500" in p.stdout, p)


def file_size(rope):
    program = "import os, signal\nsignal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n" \
              "try:\n print(os.write(os.open('big', os.O_CREAT | os.O_WRONLY), b'x' * (2 << 20)))\n" \
              " print(os.write(os.open('big', os.O_APPEND | os.O_WRONLY), b'x'))\n" \
              "except OSError as e:\n print('E', e.errno)"
    p = rope.run("python3", "-c", program, options=settings(rope, "limits: {file_size: 1M}\n"))
    check("E 27" in p.stdout and os.path.getsize(os.path.join(rope.work, "big")) == 1 << 20, p)
    p = rope.run("python3", "-c", program)
    check("E 27" not in p.stdout, p)


def what_is_no_limit_is_an_error(rope):
    p = rope.sh("true", options=settings(rope, "limits: {kill: [disk]}\n"))
    check(p.returncode != 0 and "none of memory, cpu, written, time" in p.stderr, p)


if __name__ == "__main__":
    main([memory, memory_of_many, cpu, cpu_of_many_that_end, written, time_that_kills, cpu_that_throttles,
          frozen_and_let_go_on, processes, files, file_size, what_is_no_limit_is_an_error])
