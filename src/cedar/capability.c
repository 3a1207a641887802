/* SPDX-License-Identifier: Apache-2.0 */
#include "capability.h"

#include <stdlib.h>

/* Beside the kinds of expression: the cells of lists, and the pieces of patterns. */
enum { NODE_CONS = 1000, NODE_PIECE };

struct number_node {
    uint32_t op; /* enum cedar_expr_kind or NODE_...; number 0 marks a free slot */
    uint32_t a, b, c;
    struct cedar_str text;
    uint32_t hash;
    uint32_t number;
};

static uint32_t mix(uint32_t hash, uint32_t value)
{
    hash = (hash ^ value) * 0x9e3779b1u;
    return hash ^ (hash >> 15);
}

static uint32_t hash_node(const struct number_node *node)
{
    uint32_t hash = mix(mix(mix(mix(3, node->op), node->a), node->b), node->c);

    for (size_t i = 0; i < node->text.len; i++)
        hash = mix(hash, (uint8_t)node->text.ptr[i]);
    return hash;
}

static struct number_node *node_slot(const struct cedar_numbers *numbers,
                                     const struct number_node *wanted)
{
    for (uint32_t i = wanted->hash & (numbers->cap - 1);; i = (i + 1) & (numbers->cap - 1)) {
        struct number_node *node = &numbers->nodes[i];

        if (node->number == 0 || (node->hash == wanted->hash && node->op == wanted->op &&
                                  node->a == wanted->a && node->b == wanted->b &&
                                  node->c == wanted->c && cedar_str_eq(node->text, wanted->text)))
            return node;
    }
}

static bool grow_nodes(struct cedar_numbers *numbers)
{
    struct cedar_numbers bigger = *numbers;

    bigger.cap = numbers->cap == 0 ? 32 : numbers->cap * 2;
    bigger.nodes = CEDAR_NEW_N(numbers->arena, struct number_node, bigger.cap);
    if (bigger.nodes == NULL)
        return false;
    for (uint32_t i = 0; i < numbers->cap; i++) {
        if (numbers->nodes[i].number != 0)
            *node_slot(&bigger, &numbers->nodes[i]) = numbers->nodes[i];
    }
    *numbers = bigger;
    return true;
}

/* The number of the node of this content, which may be new; 0 without memory. */
static uint32_t number_node(struct cedar_numbers *numbers, struct number_node wanted)
{
    struct number_node *node;

    if ((numbers->len + 1) * 2 > numbers->cap && !grow_nodes(numbers))
        return 0;
    wanted.hash = hash_node(&wanted);
    node = node_slot(numbers, &wanted);
    if (node->number == 0) {
        *node = wanted;
        node->number = ++numbers->len;
    }
    return node->number;
}

uint32_t cedar_number_get(struct cedar_numbers *numbers, uint32_t base, cedar_name attr)
{
    return number_node(numbers, (struct number_node){.op = EXPR_GET, .a = base, .b = attr});
}

static uint32_t cons(struct cedar_numbers *numbers, uint32_t first, uint32_t rest, uint32_t key)
{
    return number_node(numbers,
                       (struct number_node){.op = NODE_CONS, .a = first, .b = rest, .c = key});
}

/* A node over the numbers of up to two expressions. */
static uint32_t over(struct cedar_numbers *numbers, uint32_t op, const struct cedar_expr *a,
                     const struct cedar_expr *b)
{
    uint32_t left = cedar_number(numbers, a), right = b != NULL ? cedar_number(numbers, b) : 0;

    if (left == 0 || (b != NULL && right == 0))
        return 0;
    return number_node(numbers, (struct number_node){.op = op, .a = left, .b = right});
}

static uint32_t negation(struct cedar_numbers *numbers, uint32_t of)
{
    return of == 0 ? 0 : number_node(numbers, (struct number_node){.op = EXPR_NOT, .a = of});
}

static uint32_t number_list(struct cedar_numbers *numbers, uint32_t op,
                            struct cedar_expr *const *items, uint32_t n, uint32_t extra)
{
    uint32_t list = 0;

    for (uint32_t i = 0; i < n; i++) {
        uint32_t item = cedar_number(numbers, items[i]);

        list = item == 0 ? 0 : cons(numbers, item, list, 0);
        if (list == 0)
            return 0;
    }
    return number_node(numbers, (struct number_node){.op = op, .a = list, .b = extra});
}

static int by_name(const void *a, const void *b)
{
    cedar_name left = ((const struct cedar_pair *)a)->name;
    cedar_name right = ((const struct cedar_pair *)b)->name;

    return left < right ? -1 : left > right;
}

/* The order of a record's fields is of no account. */
static uint32_t number_record(struct cedar_numbers *numbers, const struct cedar_expr *expr)
{
    struct cedar_pair *pairs = CEDAR_NEW_N(numbers->arena, struct cedar_pair, expr->u.record.n);
    uint32_t list = 0;

    if (pairs == NULL)
        return 0;
    if (expr->u.record.n > 0) {
        memcpy(pairs, expr->u.record.pairs, expr->u.record.n * sizeof(*pairs));
        qsort(pairs, expr->u.record.n, sizeof(*pairs), by_name);
    }
    for (uint32_t i = 0; i < expr->u.record.n; i++) {
        uint32_t value = cedar_number(numbers, pairs[i].value);

        list = value == 0 ? 0 : cons(numbers, value, list, pairs[i].name);
        if (list == 0)
            return 0;
    }
    return number_node(numbers, (struct number_node){.op = EXPR_RECORD, .a = list});
}

/* a has b.c is a has b && a.b has c. */
static uint32_t number_has(struct cedar_numbers *numbers, const struct cedar_expr *expr)
{
    uint32_t base = cedar_number(numbers, expr->a), whole = 0;

    for (uint32_t i = 0; i < expr->u.path.n; i++) {
        struct number_node has = {.op = EXPR_HAS, .a = base, .b = expr->u.path.names[i]};
        uint32_t step = base == 0 ? 0 : number_node(numbers, has);

        if (step == 0)
            return 0;
        whole = i == 0 ? step
                       : number_node(numbers,
                                     (struct number_node){.op = EXPR_AND, .a = whole, .b = step});
        if (whole == 0)
            return 0;
        base = cedar_number_get(numbers, base, expr->u.path.names[i]);
    }
    return whole;
}

static uint32_t number_like(struct cedar_numbers *numbers, const struct cedar_expr *expr)
{
    uint32_t base = cedar_number(numbers, expr->a), list = 0;

    for (uint32_t i = 0; i < expr->u.pattern.n; i++) {
        struct number_node node = {.op = NODE_PIECE, .text = expr->u.pattern.pieces[i]};
        uint32_t piece = number_node(numbers, node);

        list = piece == 0 ? 0 : cons(numbers, piece, list, 0);
        if (list == 0)
            return 0;
    }
    return base == 0
               ? 0
               : number_node(numbers, (struct number_node){.op = EXPR_LIKE, .a = base, .b = list});
}

/* a is T in b is a is T && a in b. */
static uint32_t number_is(struct cedar_numbers *numbers, const struct cedar_expr *expr)
{
    uint32_t base = cedar_number(numbers, expr->a), is, in;

    if (base == 0)
        return 0;
    is = number_node(numbers, (struct number_node){.op = EXPR_IS, .a = base, .b = expr->u.name});
    if (expr->b == NULL || is == 0)
        return is;
    in = over(numbers, EXPR_IN, expr->a, expr->b);
    return in == 0 ? 0
                   : number_node(numbers, (struct number_node){.op = EXPR_AND, .a = is, .b = in});
}

static uint32_t number_if(struct cedar_numbers *numbers, const struct cedar_expr *expr)
{
    struct number_node node = {.op = EXPR_IF};

    node.a = cedar_number(numbers, expr->a);
    node.b = cedar_number(numbers, expr->b);
    node.c = cedar_number(numbers, expr->c);
    return node.a == 0 || node.b == 0 || node.c == 0 ? 0 : number_node(numbers, node);
}

static uint32_t number_leaf(struct cedar_numbers *numbers, const struct cedar_expr *expr)
{
    struct number_node node = {.op = expr->kind};

    if (expr->kind == EXPR_BOOL) {
        node.a = expr->u.boolean;
    } else if (expr->kind == EXPR_LONG) {
        node.a = (uint32_t)expr->u.integer;
        node.b = (uint32_t)((uint64_t)expr->u.integer >> 32);
    } else if (expr->kind == EXPR_STRING) {
        node.text = expr->u.string;
    } else if (expr->kind == EXPR_ENTITY) {
        node.a = expr->u.uid.type;
        node.text = expr->u.uid.id;
    } else {
        node.a = expr->u.var;
    }
    return number_node(numbers, node);
}

static uint32_t number_fresh(struct cedar_numbers *numbers, const struct cedar_expr *expr)
{
    switch (expr->kind) {
    case EXPR_BOOL:
    case EXPR_LONG:
    case EXPR_STRING:
    case EXPR_ENTITY:
    case EXPR_VAR:
        return number_leaf(numbers, expr);
    case EXPR_NE:
        return negation(numbers, over(numbers, EXPR_EQ, expr->a, expr->b));
    case EXPR_GT:
        return negation(numbers, over(numbers, EXPR_LE, expr->a, expr->b));
    case EXPR_GE:
        return negation(numbers, over(numbers, EXPR_LT, expr->a, expr->b));
    case EXPR_NOT:
    case EXPR_NEG:
    case EXPR_AND:
    case EXPR_OR:
    case EXPR_EQ:
    case EXPR_LT:
    case EXPR_LE:
    case EXPR_ADD:
    case EXPR_SUB:
    case EXPR_MUL:
    case EXPR_IN:
        return over(numbers, expr->kind, expr->a, expr->b);
    case EXPR_IF:
        return number_if(numbers, expr);
    case EXPR_GET: {
        uint32_t base = cedar_number(numbers, expr->a);

        return base == 0 ? 0 : cedar_number_get(numbers, base, expr->u.name);
    }
    case EXPR_HAS:
        return number_has(numbers, expr);
    case EXPR_LIKE:
        return number_like(numbers, expr);
    case EXPR_IS:
        return number_is(numbers, expr);
    case EXPR_SET:
        return number_list(numbers, EXPR_SET, expr->u.list.items, expr->u.list.n, 0);
    case EXPR_RECORD:
        return number_record(numbers, expr);
    case EXPR_CALL:
        return number_list(numbers, EXPR_CALL, expr->u.call.args, expr->u.call.n,
                           expr->u.call.call);
    }
    return 0;
}

static struct number_known *known_slot(const struct cedar_numbers *numbers,
                                       const struct cedar_expr *expr)
{
    uint32_t mask = numbers->known_cap - 1;
    uint32_t i = mix(5, (uint32_t)((uintptr_t)expr >> 4)) & mask;

    while (numbers->known[i].expr != NULL && numbers->known[i].expr != expr)
        i = (i + 1) & mask;
    return &numbers->known[i];
}

static bool grow_known(struct cedar_numbers *numbers)
{
    struct cedar_numbers bigger = *numbers;

    bigger.known_cap = numbers->known_cap == 0 ? 32 : numbers->known_cap * 2;
    bigger.known = CEDAR_NEW_N(numbers->arena, struct number_known, bigger.known_cap);
    if (bigger.known == NULL)
        return false;
    for (uint32_t i = 0; i < numbers->known_cap; i++) {
        if (numbers->known[i].expr != NULL)
            *known_slot(&bigger, numbers->known[i].expr) = numbers->known[i];
    }
    *numbers = bigger;
    return true;
}

uint32_t cedar_number(struct cedar_numbers *numbers, const struct cedar_expr *expr)
{
    uint32_t number;

    if (numbers->known_cap != 0 && known_slot(numbers, expr)->expr == expr)
        return known_slot(numbers, expr)->number;
    number = number_fresh(numbers, expr);
    if (number == 0 || ((numbers->known_len + 1) * 2 > numbers->known_cap && !grow_known(numbers)))
        return 0;
    *known_slot(numbers, expr) = (struct number_known){expr, number};
    numbers->known_len++;
    return number;
}

/* ---- sets -------------------------------------------------------------------------------- */

bool cedar_capabilities_has(const struct cedar_capabilities *set, cedar_capability item)
{
    uint32_t low = 0, high = set != NULL ? set->n : 0;

    while (low < high) {
        uint32_t middle = low + (high - low) / 2;

        if (set->items[middle] == item)
            return true;
        if (set->items[middle] < item)
            low = middle + 1;
        else
            high = middle;
    }
    return false;
}

static struct cedar_capabilities *make(struct cedar_arena *arena, uint32_t room, bool *ok)
{
    struct cedar_capabilities *set =
        cedar_arena_zero(arena, 1, sizeof(*set) + room * sizeof(set->items[0]));

    if (set == NULL)
        *ok = false;
    return set;
}

const struct cedar_capabilities *cedar_capabilities_one(struct cedar_arena *arena,
                                                        cedar_capability item, bool *ok)
{
    struct cedar_capabilities *set = make(arena, 1, ok);

    if (set == NULL)
        return NULL;
    set->n = 1;
    set->items[0] = item;
    return set;
}

const struct cedar_capabilities *cedar_capabilities_union(struct cedar_arena *arena,
                                                          const struct cedar_capabilities *a,
                                                          const struct cedar_capabilities *b,
                                                          bool *ok)
{
    struct cedar_capabilities *set;
    uint32_t i = 0, j = 0;

    if (a == NULL || b == NULL || a == b)
        return a != NULL ? a : b;
    set = make(arena, a->n + b->n, ok);
    if (set == NULL)
        return NULL;
    while (i < a->n || j < b->n) {
        cedar_capability left = i < a->n ? a->items[i] : UINT64_MAX;
        cedar_capability right = j < b->n ? b->items[j] : UINT64_MAX;

        set->items[set->n++] = left < right ? left : right;
        i += left <= right;
        j += right <= left;
    }
    return set;
}

const struct cedar_capabilities *cedar_capabilities_both(struct cedar_arena *arena,
                                                         const struct cedar_capabilities *a,
                                                         const struct cedar_capabilities *b,
                                                         bool *ok)
{
    struct cedar_capabilities *set;

    if (a == NULL || b == NULL || a == b)
        return a == b ? a : NULL;
    set = make(arena, a->n < b->n ? a->n : b->n, ok);
    if (set == NULL)
        return NULL;
    for (uint32_t i = 0; i < a->n; i++) {
        if (cedar_capabilities_has(b, a->items[i]))
            set->items[set->n++] = a->items[i];
    }
    return set;
}
