# SPDX-License-Identifier: Apache-2.0
"""Runtimes and tools inside, as they are used: what they do bare they do on the rope, or they are
refused in words. What is not installed is skipped by name."""
import os
import shutil
import subprocess

from rope import Skip, check, main


def need(*programs):
    for program in programs:
        if not shutil.which(program):
            raise Skip("%s is not installed" % program)


def same(rope, script, needs=(), options=()):
    """A script that says the same inside as outside, and ends with the same code."""
    need(*needs)
    bare = subprocess.run(["sh", "-c", script], cwd=rope.folder("bare"), env=rope.env(), timeout=120,
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    check(bare.returncode == 0, "the control fails:", bare)
    held = rope.sh(script, options=options, timeout=120)
    check((held.returncode, held.stdout) == (bare.returncode, bare.stdout), held, bare)


def node(rope):
    same(rope, """cat > a.mjs <<'END'
import {execFileSync, spawn, spawnSync} from 'node:child_process';
import {Worker} from 'node:worker_threads';
import fs from 'node:fs';
import http from 'node:http';
fs.writeFileSync('x', 'y'); fs.renameSync('x', 'z'); fs.mkdirSync('d/e', {recursive: true});
console.log(fs.readFileSync('z', 'utf8'), execFileSync('echo', ['run'], {encoding: 'utf8'}).trim());
const codes = await Promise.all([...Array(16).keys()].map((i) => new Promise((done) =>
    spawn('sh', ['-c', `exit ${i}`]).on('exit', done))));
console.log(codes.join());
const child = spawn('sleep', ['60']);
child.kill('SIGTERM');
console.log(await new Promise((done) => child.on('exit', (code, signal) => done(signal))));
const said = await new Promise((done) => new Worker(
    "require('node:worker_threads').parentPort.postMessage(require('node:child_process').execSync('echo worker').toString())",
    {eval: true}).on('message', done));
console.log(said.trim());
const server = http.createServer((q, a) => a.end('served')).listen(0, '127.0.0.1', async () => {
    console.log(await (await fetch(`http://127.0.0.1:${server.address().port}`)).text());
    server.close();
});
END
node a.mjs""", ["node"])


def python(rope):
    same(rope, """cat > a.py <<'END'
import concurrent.futures, multiprocessing, os, signal, sqlite3, subprocess, tempfile, threading
if __name__ != "__main__":
    raise SystemExit
with multiprocessing.get_context("fork").Pool(2) as pool:
    print(pool.map(abs, [-1, -2]))
with concurrent.futures.ThreadPoolExecutor(8) as pool:
    print(sorted(pool.map(lambda i: subprocess.run(["sh", "-c", "exit %d" % i]).returncode, range(16))))
pid = os.posix_spawnp("sh", ["sh", "-c", "exit 7"], os.environ)
print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
p = subprocess.Popen(["sleep", "60"], start_new_session=True)
os.killpg(p.pid, signal.SIGINT)
print(p.wait())
db = sqlite3.connect("a.db")
db.execute("create table t (x)"); db.execute("insert into t values (1)"); db.commit()
print(db.execute("select * from t").fetchall())
with tempfile.TemporaryDirectory() as d:
    os.symlink(d, "link"); print(os.path.islink("link"))
END
python3 a.py""", ["python3"])


def java(rope):
    same(rope, """cat > A.java <<'END'
import java.io.*; import java.nio.file.*; import java.util.concurrent.*;
public class A { public static void main(String[] args) throws Exception {
    ExecutorService pool = Executors.newFixedThreadPool(8);
    java.util.List<Future<Integer>> all = new java.util.ArrayList<>();
    for (int i = 0; i < 16; i++) { int n = i; all.add(pool.submit(() -> {
        Files.writeString(Path.of("f" + n), "x");
        return new ProcessBuilder("sh", "-c", "exit " + n).start().waitFor(); })); }
    for (Future<Integer> f : all) System.out.print(f.get() + " ");
    pool.shutdown();
    Process p = new ProcessBuilder("sleep", "60").start(); p.destroy(); System.out.println(p.waitFor());
} }
END
java A.java""", ["java", "javac"])


def go(rope):
    same(rope, """export GOCACHE=$PWD/.cache GOFLAGS=-mod=mod GO111MODULE=off
cat > a.go <<'END'
package main
import ("fmt"; "os"; "os/exec"; "sync")
func main() {
    var wait sync.WaitGroup
    codes := make([]int, 16)
    for i := range codes { wait.Add(1); go func(i int) { defer wait.Done()
        command := exec.Command("sh", "-c", fmt.Sprintf("exit %d", i)); command.Run()
        codes[i] = command.ProcessState.ExitCode(); os.WriteFile(fmt.Sprint("f", i), nil, 0644) }(i) }
    wait.Wait(); fmt.Println(codes)
}
END
go run a.go""", ["go"])


def a_compiler_and_make(rope):
    same(rope, """mkdir src && for i in 1 2 3 4; do echo "int f$i(void) { return $i; }" > src/f$i.c; done
echo 'int f1(void); int main(void) { return f1() - 1; }' > src/main.c
printf 'prog: $(patsubst %%.c,%%.o,$(wildcard src/*.c))\\n\\t@$(CC) -o $@ $^\\n%%.o: %%.c\\n\\t@$(CC) -c -o $@ $<\\n' > Makefile
make -s -j4 && ./prog && echo built""", ["make", "cc"])


def git_with_worktrees(rope):
    same(rope, """export GIT_AUTHOR_NAME=a GIT_AUTHOR_EMAIL=a@b GIT_COMMITTER_NAME=a GIT_COMMITTER_EMAIL=a@b
git init -q -b main repo && cd repo && echo 1 > f && git add f && git commit -qm one
git worktree add -q ../tree -b side && cd ../tree && echo 2 > f && git commit -qam two
cd ../repo && git merge -q side && git stash list && git gc -q && git fsck 2>/dev/null && git worktree list | wc -l
cat f && git log --format=%s && git mv f g && git status --short && git worktree remove ../tree""", ["git"],
         options=["--policy", rope.file("config/mediated.cedar", FOLDERS + HOOKS)])


def signals_and_interrupted_calls(rope):
    """A trapped call goes on after a signal that restarts calls, and no pipeline hangs."""
    same(rope, """cat > a.py <<'END'
import os, signal, threading
count = 0
def tick(*_):
    global count
    count += 1
signal.signal(signal.SIGALRM, tick)
signal.siginterrupt(signal.SIGALRM, False)
signal.setitimer(signal.ITIMER_REAL, 0.001, 0.001)
for i in range(300):
    with open("file", "w") as f:
        f.write(str(i))
    os.rename("file", "other")
    os.unlink("other")
    if i % 30 == 0:
        os.system("true")
signal.setitimer(signal.ITIMER_REAL, 0)
print("done", count > 0)
END
python3 a.py && yes | head -n 100000 | sort | uniq | wc -l""", ["python3"])


def job_control(rope):
    same(rope, """exec bash -c 'set -m
sleep 60 & kill -STOP $!; sleep 0.2; jobs | grep -c Stopped
kill -CONT $!; sleep 0.2; kill -TERM $!; wait $!; echo $?
(exit 3) & wait $!; echo $?
trap "echo term" TERM; kill -TERM $$; echo on'""", ["bash"])


def vfork_and_threads_that_exec(rope):
    need("cc")
    same(rope, r"""cat > a.c <<'END'
#define _GNU_SOURCE
#include <pthread.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>
extern char **environ;
static void *many(void *arg)
{
    for (int i = 0; i < 20; i++) {
        char *argv[] = {"true", NULL};
        pid_t pid;
        int status;
        if (i % 2 == 0) {
            if (posix_spawnp(&pid, "true", NULL, NULL, argv, environ) != 0) exit(1);
        } else if ((pid = vfork()) == 0) {
            execvp("true", argv);
            _exit(127);
        }
        if (waitpid(pid, &status, 0) != pid || status != 0) exit(2);
    }
    return arg;
}
static void *last(void *arg) { execlp("echo", "echo", "from a thread", (char *)NULL); return arg; }
int main(void)
{
    pthread_t t[4];
    for (int i = 0; i < 4; i++) pthread_create(&t[i], NULL, many, NULL);
    for (int i = 0; i < 4; i++) pthread_join(t[i], NULL);
    pthread_create(&t[0], NULL, last, NULL);
    for (;;) pause();
}
END
cc -pthread -o a a.c && ./a""")


def traced(rope, command):
    """Starting a program under a tracer: not while a rule looks at programs, and in words."""
    p = rope.run(*command)
    check(p.returncode != 0, p)
    check(any("traced" in (e.get("text") or e.get("reason") or "") for e in rope.log()), rope.log()[-4:])


FOLDERS = """
permit (principal, action == Action::"read", resource);
permit (principal, action in [Action::"write", Action::"create", Action::"delete"], resource)
when { resource in principal.workspace || resource in [Dir::"/tmp", Dir::"/dev", Dir::"/proc"] };
permit (principal, action == Action::"exec", resource);
"""


HOOKS = """
@id("hooks")
forbid (principal, action in [Action::"write", Action::"create"], resource)
when { resource.path like "*/.git/hooks/pre-commit" };
"""


def strace(rope):
    need("strace")
    traced(rope, ["strace", "-f", "-o", "out", "true"])
    policy = rope.file("config/folders.cedar", FOLDERS)
    same(rope, "strace -f -e trace=execve -o out sh -c 'true; echo traced'; grep -c execve out",
         options=["--policy", policy])


def gdb(rope):
    need("gdb")
    traced(rope, ["gdb", "-nx", "-batch", "-ex", "set startup-with-shell off", "-ex", "run", "/bin/true"])
    policy = rope.file("config/folders.cedar", FOLDERS)
    p = rope.run("gdb", "-nx", "-batch", "-ex", "set startup-with-shell off", "-ex", "run", "/bin/true",
                 options=["--policy", policy])
    check("exited normally" in p.stdout, p)


def a_container_builder_fails_politely(rope):
    need("buildah")
    p = rope.run("buildah", "from", "scratch", timeout=60)
    check(p.returncode != 0 and "not permitted" in p.stderr.lower(), p)


main([node, python, java, go, a_compiler_and_make, git_with_worktrees, signals_and_interrupted_calls, job_control,
      vfork_and_threads_that_exec, strace, gdb, a_container_builder_fails_politely])
