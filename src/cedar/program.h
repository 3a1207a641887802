/* SPDX-License-Identifier: Apache-2.0 */
/*
 * program.h - compiled policies: code for a stack machine, constants, and the index.
 *
 * Each policy's conditions become straight code: every conjunct of a `when` is followed by
 * OP_WHEN, every disjunct of an `unless` by OP_UNLESS, either of which ends the policy when it
 * does not hold; OP_DONE says that it is satisfied. There are no loops, so code, stack and
 * heap that a policy can use are known when it is compiled.
 */
#ifndef CEDAR_PROGRAM_H
#define CEDAR_PROGRAM_H

#include "ast.h"

enum op {
    OP_DONE,
    OP_WHEN,    /* pops; n: clause */
    OP_UNLESS,  /* pops; n: clause */
    OP_CONST,   /* pushes consts[arg] */
    OP_VAR,     /* pushes variable arg */
    OP_VAR_GET, /* pushes attribute arg of variable n */
    OP_NOT,
    OP_NEG,
    OP_AND,  /* top false: to arg, else pops */
    OP_OR,   /* top true: to arg, else pops */
    OP_BOOL, /* top must be a boolean */
    OP_IF,   /* pops; false: to arg */
    OP_JUMP, /* to arg */
    OP_EQ,
    OP_NE,
    OP_EQ_CONST, /* top == consts[arg]; n: 1 for != */
    OP_LT,
    OP_LE,
    OP_GT,
    OP_GE,
    OP_ADD,
    OP_SUB,
    OP_MUL,
    OP_IN,
    OP_IN_CONST, /* top in consts[arg], an entity */
    OP_GET,      /* attribute arg */
    OP_HAS,      /* path of n names from names[arg] */
    OP_LIKE,     /* patterns[arg] */
    OP_IS,       /* type arg */
    OP_IS_THEN,  /* top is of type arg: stays; else false, and to the next instruction's arg */
    OP_SET,      /* of arg elements */
    OP_RECORD,   /* of n fields, named from names[arg] */
    OP_CALL,     /* call arg with n arguments */
};

struct insn {
    uint8_t op;
    uint16_t n;
    uint32_t arg;
};

/* A part of a scope, ready to be checked. */
struct part {
    uint8_t op; /* enum cedar_scope_op */
    cedar_name type;
    uint32_t n;
    const struct cedar_uid *uids; /* n of them; one but for SCOPE_IN_SET */
};

struct rule {
    uint32_t code; /* of the first instruction */
    uint8_t effect;
    bool is_template;
    struct part part[3]; /* by enum cedar_var */
};

/*
 * The index: for each action that policies name (and for "any action", node 0) which policies
 * can apply, by a resource or principal that they name, or by type, or without.
 */
enum slot { SLOT_BY_RESOURCE, SLOT_BY_PRINCIPAL, SLOT_BY_TYPE, SLOT_BY_NOTHING };

struct key {
    uint32_t node;
    uint8_t slot; /* enum slot */
    uint8_t var;  /* of SLOT_BY_TYPE */
    cedar_name type;
    const struct cedar_uid *uid;
    uint32_t hash;
};

struct posting {
    struct key key;
    uint32_t start, n; /* in the list of policies */
};

struct action_node {
    const struct cedar_uid *uid; /* NULL for node 0 */
    uint8_t slots;               /* a bit for each enum slot in use */
};

/* A place of the table: the key's hash beside the posting, so that most misses end here. */
struct probe {
    uint32_t hash;
    uint32_t posting; /* + 1; 0: empty */
};

struct index {
    struct action_node *nodes;
    uint32_t n_nodes, n_node_table, n_table, n_postings;
    uint32_t *node_table; /* uid to node + 1, without node 0 */
    struct probe *table;  /* by hash of the key */
    struct posting *postings;
    uint32_t *policies; /* ascending within a posting */
};

struct cedar_program {
    struct cedar_arena arena;
    struct cedar_policies *policies; /* a reference */
    const struct cedar_names *names;
    uint32_t n_rules, max_stack;
    size_t max_heap; /* bytes */
    struct rule *rules;
    struct insn *code;
    struct cedar_span *spans; /* of each instruction */
    struct cedar_value *consts;
    const struct cedar_pattern **patterns;
    cedar_name *name_lists;
    struct index index;
};

/* Fills program->index from its rules. */
enum cedar_status cedar_index_build(struct cedar_program *program, struct cedar_error *err);

/*
 * The hash by which keys are found: of the node and slot, and of what is asked for there (the
 * hash of a uid, which is mixed well, or a type's name).
 */
static inline uint32_t cedar_key_seed(uint32_t node, enum slot slot)
{
    return (node << 2 | slot) * 0x9e3779b9u;
}

static inline uint32_t cedar_key_hash(uint32_t seed, uint32_t what)
{
    uint32_t h = (what ^ seed) * 0x85ebca6bu;

    return h ^ h >> 15;
}

/* Whether a key of this hash may have policies: false is certain and cheap. */
static inline bool cedar_index_may_have(const struct index *index, uint32_t hash)
{
    uint32_t mask = index->n_table - 1;

    for (uint32_t i = hash & mask;; i = (i + 1) & mask) {
        if (index->table[i].posting == 0)
            return false;
        if (index->table[i].hash == hash)
            return true;
    }
}

/* The policies under a key; NULL if there are none. */
const struct posting *cedar_index_find(const struct index *index, const struct key *key);
/* The node of an action, or 0. */
uint32_t cedar_index_node(const struct index *index, const struct cedar_uid *action);

#endif
