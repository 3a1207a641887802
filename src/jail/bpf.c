/* SPDX-License-Identifier: Apache-2.0 */
#include "jail/bpf.h"
#include "jail/uapi.h"

#include <assert.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdlib.h>
#include <unistd.h>

#define AT_NR   offsetof(struct seccomp_data, nr)
#define AT_ARCH offsetof(struct seccomp_data, arch)
/* Both architectures are little endian: the lower half comes first. */
#define AT_LOW(arg)  (offsetof(struct seccomp_data, args) + 8 * (size_t)(arg))
#define AT_HIGH(arg) (AT_LOW(arg) + 4)

/* Operation codes; some of their parts are zero and stand here for the reader alone. */
#define LOAD_WORD (BPF_LD + BPF_W + BPF_ABS)
#define ANSWER    (BPF_RET + BPF_K)
#define JUMP(how) (BPF_JMP + (how) + BPF_K)
#define MASK      (BPF_ALU + BPF_AND + BPF_K)

#define JUMP_MAX 255 /* conditional jumps are one byte */

/* Numbers from `start` to the next leaf's start share one answer. */
struct leaf {
    int64_t start;
    uint16_t first, count; /* rules in order[]; count 0: `action` alone */
    uint32_t action;
};

struct assembler {
    const struct bpf_rule *rules;
    const struct bpf_rule *order[BPF_RULES_MAX];
    size_t n;
    struct leaf leaves[2 * BPF_RULES_MAX + 2];
    size_t nleaves;
    uint32_t otherwise;
    struct bpf_program *out;
    bool full;
};

static size_t emit(struct assembler *a, uint16_t code, uint8_t jt, uint8_t jf, uint32_t k)
{
    if (a->out->n == BPF_INSNS_MAX) {
        a->full = true;
        return a->out->n - 1;
    }
    a->out->insns[a->out->n] = (struct sock_filter){code, jt, jf, k};
    return a->out->n++;
}

static void emit_load(struct assembler *a, size_t at)
{
    emit(a, LOAD_WORD, 0, 0, (uint32_t)at);
}

static void emit_return(struct assembler *a, uint32_t action)
{
    emit(a, ANSWER, 0, 0, action);
}

/* Jumps of one rule that go to the next rule when a test fails. */
struct fixups {
    size_t at[4 * BPF_TESTS_MAX];
    bool on_true[4 * BPF_TESTS_MAX];
    size_t n;
};

static void fails(struct fixups *f, size_t at, bool on_true)
{
    assert(f->n < sizeof(f->at) / sizeof(f->at[0]));
    f->at[f->n] = at;
    f->on_true[f->n++] = on_true;
}

static void emit_masked(struct assembler *a, size_t at, uint32_t mask)
{
    emit_load(a, at);
    if (mask != UINT32_MAX)
        emit(a, MASK, 0, 0, mask);
}

static void emit_any(struct assembler *a, const struct bpf_test *t, struct fixups *f)
{
    uint32_t low = (uint32_t)t->mask, high = (uint32_t)(t->mask >> 32);

    emit_load(a, AT_LOW(t->arg));
    if (high == 0) {
        fails(f, emit(a, JUMP(BPF_JSET), 0, 0, low), false);
        return;
    }
    emit(a, JUMP(BPF_JSET), 2, 0, low);
    emit_load(a, AT_HIGH(t->arg));
    fails(f, emit(a, JUMP(BPF_JSET), 0, 0, high), false);
}

static void emit_equal(struct assembler *a, const struct bpf_test *t, struct fixups *f)
{
    uint32_t low = (uint32_t)t->mask, high = (uint32_t)(t->mask >> 32);

    emit_masked(a, AT_LOW(t->arg), low);
    fails(f, emit(a, JUMP(BPF_JEQ), 0, 0, (uint32_t)t->value), false);
    if (high == 0)
        return;
    emit_masked(a, AT_HIGH(t->arg), high);
    fails(f, emit(a, JUMP(BPF_JEQ), 0, 0, (uint32_t)(t->value >> 32)), false);
}

static void emit_differs(struct assembler *a, const struct bpf_test *t, struct fixups *f)
{
    uint32_t low = (uint32_t)t->mask, high = (uint32_t)(t->mask >> 32);
    size_t first;

    emit_masked(a, AT_LOW(t->arg), low);
    first = emit(a, JUMP(BPF_JEQ), 0, 0, (uint32_t)t->value);
    if (high == 0) {
        fails(f, first, true);
        return;
    }
    emit_masked(a, AT_HIGH(t->arg), high);
    fails(f, emit(a, JUMP(BPF_JEQ), 0, 0, (uint32_t)(t->value >> 32)), true);
    /* The lower halves differ: the upper ones need no look. */
    a->out->insns[first].jf = (uint8_t)(a->out->n - first - 1);
}

static void emit_rule(struct assembler *a, const struct bpf_rule *r)
{
    struct fixups f = {.n = 0};

    for (size_t i = 0; i < r->ntests; i++) {
        switch (r->test[i].how) {
        case BPF_ANY:
            emit_any(a, &r->test[i], &f);
            break;
        case BPF_EQ:
            emit_equal(a, &r->test[i], &f);
            break;
        case BPF_NE:
            emit_differs(a, &r->test[i], &f);
            break;
        }
    }
    emit_return(a, r->action);
    for (size_t i = 0; i < f.n && !a->full; i++) {
        uint8_t over = (uint8_t)(a->out->n - f.at[i] - 1);
        if (f.on_true[i])
            a->out->insns[f.at[i]].jt = over;
        else
            a->out->insns[f.at[i]].jf = over;
    }
}

static void emit_leaf(struct assembler *a, const struct leaf *l)
{
    for (size_t i = 0; i < l->count; i++)
        emit_rule(a, a->order[l->first + i]);
    if (l->count == 0 || a->order[l->first + l->count - 1]->ntests > 0)
        emit_return(a, l->action);
}

/* Depth is bounded by the logarithm of BPF_RULES_MAX. */
static void emit_tree(struct assembler *a, size_t lo, size_t hi)
{
    size_t mid = lo + (hi - lo) / 2, test, left;

    if (hi - lo == 1) {
        emit_leaf(a, &a->leaves[lo]);
        return;
    }
    test = emit(a, JUMP(BPF_JGE), 0, 0, (uint32_t)a->leaves[mid].start);
    emit_tree(a, lo, mid);
    if (a->full)
        return;
    left = a->out->n - test - 1;
    if (left <= JUMP_MAX) {
        a->out->insns[test].jt = (uint8_t)left;
    } else {
        /* Too far for one byte: the test skips, or takes, a long jump put after it. */
        emit(a, 0, 0, 0, 0);
        if (a->full)
            return;
        for (size_t i = a->out->n - 1; i > test + 1; i--)
            a->out->insns[i] = a->out->insns[i - 1];
        a->out->insns[test].jf = 1;
        a->out->insns[test + 1] = (struct sock_filter){JUMP(BPF_JA), 0, 0, (uint32_t)left};
    }
    emit_tree(a, mid, hi);
}

/* Stable, so that the first rule of a number stays first. */
static bool sort_rules(struct assembler *a, size_t n, struct err *e)
{
    for (size_t i = 0; i < n; i++) {
        const struct bpf_rule *r = &a->rules[i];
        size_t at = a->n;
        if (r->nr < 0)
            continue;
        if (a->n == BPF_RULES_MAX)
            return err_set(e, EX_FAIL, "seccomp table: more than %d rules", BPF_RULES_MAX);
        assert(r->ntests <= BPF_TESTS_MAX);
        for (; at > 0 && a->order[at - 1]->nr > r->nr; at--)
            a->order[at] = a->order[at - 1];
        a->order[at] = r;
        a->n++;
    }
    return true;
}

static void add_leaf(struct assembler *a, struct leaf l)
{
    const struct leaf *prev = a->nleaves > 0 ? &a->leaves[a->nleaves - 1] : NULL;

    if (prev != NULL && prev->count == 0 && l.count == 0 && prev->action == l.action)
        return; /* the previous one simply goes on */
    assert(a->nleaves < sizeof(a->leaves) / sizeof(a->leaves[0]));
    a->leaves[a->nleaves++] = l;
}

static void make_leaves(struct assembler *a, int last, uint32_t beyond)
{
    int64_t next = 0; /* first number without a leaf */

    for (size_t i = 0, j; i < a->n; i = j) {
        int nr = a->order[i]->nr;
        for (j = i; j < a->n && a->order[j]->nr == nr;)
            j++;
        if (nr > next)
            add_leaf(a, (struct leaf){.start = next, .action = a->otherwise});
        if (a->order[i]->ntests == 0)
            add_leaf(a, (struct leaf){.start = nr, .action = a->order[i]->action});
        else
            add_leaf(a, (struct leaf){nr, (uint16_t)i, (uint16_t)(j - i), a->otherwise});
        next = (int64_t)nr + 1;
    }
    if (next <= last)
        add_leaf(a, (struct leaf){.start = next, .action = a->otherwise});
    if (next < (int64_t)last + 1)
        next = (int64_t)last + 1;
    add_leaf(a, (struct leaf){.start = next, .action = beyond});
}

bool bpf_assemble(const struct bpf_rule *rules, size_t n, uint32_t otherwise, int last,
                  uint32_t beyond, struct bpf_program *out, struct err *e)
{
    struct assembler a; /* of its arrays only what is used is touched: it is large */

    a.rules = rules;
    a.otherwise = otherwise;
    a.out = out;
    a.n = a.nleaves = out->n = 0;
    a.full = false;
    if (!sort_rules(&a, n, e))
        return false;
    make_leaves(&a, last, beyond);
    emit_load(&a, AT_ARCH);
    emit(&a, JUMP(BPF_JEQ), 1, 0, JAIL_AUDIT_ARCH);
    emit_return(&a, SECCOMP_RET_KILL_PROCESS);
    emit_load(&a, AT_NR);
    emit_tree(&a, 0, a.nleaves);
    if (a.full)
        return err_set(e, EX_FAIL, "seccomp table: more than %d instructions", BPF_INSNS_MAX);
    return true;
}

static uint32_t load(const struct seccomp_data *d, uint32_t at)
{
    uint32_t word;

    assert(at <= sizeof(*d) - sizeof(word) && at % sizeof(word) == 0);
    __builtin_memcpy(&word, (const char *)d + at, sizeof(word));
    return word;
}

uint32_t bpf_run(const struct bpf_program *p, uint32_t arch, uint32_t nr, const uint64_t args[6])
{
    struct seccomp_data d = {.nr = (int)nr, .arch = arch};
    uint32_t acc = 0;

    for (size_t i = 0; i < 6; i++)
        d.args[i] = args[i];
    for (size_t pc = 0; pc < p->n; pc++) {
        const struct sock_filter *in = &p->insns[pc];
        switch (in->code) {
        case LOAD_WORD:
            acc = load(&d, in->k);
            break;
        case MASK:
            acc &= in->k;
            break;
        case JUMP(BPF_JA):
            pc += in->k;
            break;
        case JUMP(BPF_JEQ):
            pc += acc == in->k ? in->jt : in->jf;
            break;
        case JUMP(BPF_JGE):
            pc += acc >= in->k ? in->jt : in->jf;
            break;
        case JUMP(BPF_JSET):
            pc += (acc & in->k) != 0 ? in->jt : in->jf;
            break;
        case ANSWER:
            return in->k;
        default:
            abort(); /* an instruction that the assembler does not emit */
        }
    }
    abort(); /* every way through the tree ends in an answer */
}

int bpf_install(const struct bpf_program *p, unsigned flags)
{
    struct sock_fprog prog = {.len = (unsigned short)p->n,
                              .filter = (struct sock_filter *)(uintptr_t)p->insns};

    return (int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, &prog);
}
