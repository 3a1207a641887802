#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""generate.py SEED COUNT FOLDER - writes random cases for `run`.

A case is a schema (always the same), policies, a request and entities, separated by NUL. The
expressions are mostly well typed, and often nearly so: optional attributes without a test,
comparisons across types, deep paths, tags, conditionals whose branches differ.
"""
import json
import os
import random
import sys

SCHEMA = """namespace N {
  type Sub = { x: Long, y?: Bool, z: { w?: String } };
  entity U in [G, U] = { n: Long, s?: String, b: Bool, ob?: Bool, sub: Sub, osub?: Sub, f: U,
    of?: U, g?: G, set: Set<String>, us: Set<U>, subs: Set<Sub>, ip: ipaddr, oip?: ipaddr,
    dec: decimal, dt: datetime, du?: duration } tags String;
  entity G in [H] = { n?: Long, b: Bool } tags Set<U>;
  entity H;
  entity C enum ["r", "b"];
  action a in [x] appliesTo { principal: [U], resource: [U, C],
    context: { b: Bool, ob?: Bool, u: U, og?: G, r?: Sub } };
  action b in [y] appliesTo { principal: [U, G], resource: [G, H], context: {} };
  action x in [y];
  action y;
}
namespace M { action a in [N::Action::"y"] appliesTo { principal: [N::U], resource: [N::G] }; }"""

POLICIES_PER_CASE = 20
pick = random.choice


def chance(p):
    return random.random() < p


def booleans(d):
    leaves = ['true', 'false', 'context.b', 'principal.b', 'resource.b', 'principal has s',
              'context has ob', 'principal is N::U', 'resource is N::C', 'principal has osub',
              'principal.ob', 'context.ob', 'action == N::Action::"a"',
              'action in N::Action::"y"', 'principal has of', 'resource has n']
    if d <= 0:
        return pick(leaves)
    paths = ['s', 'ob', 'osub', 'of', 'g', 'n', 'sub.y', 'sub.z.w', 'osub.z', 'osub.z.w', 'of.s',
             'of.of.s', 'f.s', 'f.of.s', 'x', 'y', 'z.w', 'b', 'nope', 'n.x']
    types = ['N::U', 'N::G', 'N::H', 'N::C', 'N::Action']
    return pick([
        lambda: f'({booleans(d - 1)} && {booleans(d - 1)})',
        lambda: f'({booleans(d - 1)} && {booleans(d - 1)})',
        lambda: f'({booleans(d - 1)} || {booleans(d - 1)})',
        lambda: f'!({booleans(d - 1)})',
        lambda: f'(if {booleans(d - 1)} then {booleans(d - 1)} else {booleans(d - 1)})',
        lambda: equality(d - 1),
        lambda: f'({longs(d - 1)} {pick(["<", "<=", ">", ">="])} {longs(d - 1)})',
        lambda: f'({times()} < {times()})',
        lambda: f'({entities(d - 1)} in {pick([entities, entity_sets])(d - 1)})',
        lambda: f'({entities(d - 1)} is {pick(types)})',
        lambda: f'({entities(d - 1)} is {pick(types)} in {entities(d - 1)})',
        lambda: f'({pick([entities, records])(d - 1)} has {pick(paths)})',
        lambda: f'({strings(d - 1)} like "a*")',
        lambda: f'{sets(d - 1)}.contains({pick([strings, entities])(d - 1)})',
        lambda: f'{sets(d - 1)}.{pick(["containsAll", "containsAny"])}({sets(d - 1)})',
        lambda: f'{sets(d - 1)}.isEmpty()',
        lambda: f'{entities(d - 1)}.hasTag({strings(d - 1)})',
        lambda: f'{addresses()}.isInRange(ip("10.0.0.0/8"))',
    ])()


def equality(d):
    left = pick(ALL)
    right = left if chance(0.93) else pick(ALL)
    return f'({left(d)} {pick(["==", "!="])} {right(d)})'


def longs(d):
    if d <= 0:
        return pick(['1', '-3', 'principal.n', 'principal.sub.x', 'resource.n', 'context.u.n'])
    return pick([
        lambda: f'({longs(d - 1)} {pick("+-*")} {longs(d - 1)})',
        lambda: f'-({longs(d - 1)})',
        lambda: f'{records(d - 1)}.x',
        lambda: f'{entities(d - 1)}.n',
        lambda: f'(if {booleans(d - 1)} then {longs(d - 1)} else {longs(d - 1)})',
    ])()


def strings(d):
    if d <= 0:
        return pick(['"a"', '"k"', 'principal.s', 'context.u.s'])
    return pick([
        lambda: f'{entities(d - 1)}.s',
        lambda: f'{entities(d - 1)}.getTag({strings(d - 1)})',
        lambda: f'(if {booleans(d - 1)} then {strings(d - 1)} else {strings(d - 1)})',
        lambda: f'{records(d - 1)}.z.w',
    ])()


def entities(d):
    leaves = ['principal', 'principal', 'resource', 'action', 'context.u', 'principal.f',
              'principal.of', 'principal.g', 'context.og', 'N::U::"a"', 'N::G::"g"', 'N::H::"h"',
              'N::C::"r"', 'N::Action::"a"', 'N::Action::"y"', 'M::Action::"a"']
    if d <= 0 or chance(0.4):
        return pick(leaves)
    if chance(0.3):
        return f'(if {booleans(d - 1)} then {entities(d - 1)} else {entities(d - 1)})'
    return f'{entities(d - 1)}.{pick(["f", "of", "g"])}'


def entity_sets(d):
    if chance(0.4):
        return 'principal.us'
    return '[' + ', '.join(entities(d - 1) for _ in range(pick([1, 2, 2, 3]))) + ']'


def records(d):
    if d <= 0 or chance(0.4):
        return pick(['principal.sub', 'principal.osub', 'context', 'context.r', 'context.u.sub'])
    more = pick(['', f', y: {booleans(d - 1)}'])
    inner = pick(['', 'w: "q"'])
    return pick([
        f'{{x: {longs(d - 1)}, z: {{{inner}}}{more}}}',
        f'(if {booleans(d - 1)} then {records(d - 1)} else {records(d - 1)})',
    ])


def sets(d):
    if d <= 0 or chance(0.3):
        return pick(['principal.set', 'principal.us', 'principal.subs', '["a"]', '[1, 2]', '[]'])
    if chance(0.3):
        return entity_sets(d)
    kind = pick([strings, booleans, strings])
    return '[' + ', '.join(kind(d - 1) for _ in range(pick([1, 2, 2]))) + ']'


def addresses(_=0):
    return pick(['principal.ip', 'principal.oip', 'ip("1.2.3.4")', 'ip("::1")', 'ip("x")'])


def times(_=0):
    return pick(['principal.dt', 'principal.du', 'duration("1h")', 'datetime("2024-01-01")',
                 'principal.dt.toDate()', 'principal.dt.toTime()',
                 'principal.dt.offset(duration("1d"))'])


ALL = [booleans, longs, strings, entities, records, sets, addresses, times]


def policy():
    principal = pick(['principal'] * 8 + ['principal is N::U', 'principal == N::U::"a"',
                                          'principal in N::G::"g"', 'principal in N::H::"h"',
                                          'principal is N::U in N::G::"g"', 'principal is N::G'])
    action = pick(['action', 'action'] + ['action == N::Action::"a"'] * 5 +
                  ['action in N::Action::"y"', 'action in [N::Action::"x", N::Action::"b"]',
                   'action in [N::Action::"a", M::Action::"a"]'])
    resource = pick(['resource'] * 8 + ['resource is N::U', 'resource is N::G',
                                        'resource == N::U::"b"', 'resource == N::C::"b"'])
    conditions = ''.join(f' {pick(["when", "when", "unless"])} {{ {booleans(pick([1, 2, 2, 3]))} }}'
                         for _ in range(pick([1, 1, 2])))
    return f'{pick(["permit", "permit", "forbid"])} ({principal}, {action}, {resource}){conditions};'


def extension(function, argument):
    return {'__extn': {'fn': function, 'arg': argument}}


def reference(kind, name):
    return {'__entity': {'type': kind, 'id': name}}


def maybe(record, key, value):
    if chance(0.5):
        record[key] = value


def sub():
    record = {'x': pick([0, 1, 2 ** 50, -5]), 'z': {}}
    maybe(record, 'y', chance(0.5))
    maybe(record['z'], 'w', pick(['a', 'q', '']))
    return record


def user(name):
    attrs = {
        'n': pick([0, 1, 5, -3]), 'b': chance(0.5), 'sub': sub(),
        'f': reference('N::U', pick('abc')),
        'set': random.sample(['a', 'b', 'k'], pick([0, 1, 2])),
        'us': [reference('N::U', x) for x in random.sample('abc', pick([0, 1, 2]))],
        'subs': [sub() for _ in range(pick([0, 1, 2]))],
        'ip': extension('ip', pick(['1.2.3.4', '10.0.0.7', '::1', '10.0.0.0/24'])),
        'dec': extension('decimal', '1.5'),
        'dt': extension('datetime', pick(['2024-01-01', '2024-10-15T11:35:00Z'])),
    }
    maybe(attrs, 's', pick(['a', 'k', 'abc']))
    maybe(attrs, 'ob', chance(0.5))
    maybe(attrs, 'osub', sub())
    maybe(attrs, 'of', reference('N::U', pick('abcz')))
    maybe(attrs, 'g', reference('N::G', pick('gz')))
    maybe(attrs, 'oip', extension('ip', '1.2.3.4'))
    maybe(attrs, 'du', extension('duration', pick(['1h', '-5m', '1d2h'])))
    return {'uid': {'type': 'N::U', 'id': name}, 'attrs': attrs,
            'parents': [{'type': 'N::G', 'id': 'g'}] if chance(0.5) else [],
            'tags': {key: pick(['a', 'v']) for key in random.sample(['a', 'k'], pick([0, 1, 2]))}}


def store():
    group = {'b': chance(0.5)}
    maybe(group, 'n', 3)
    return [user(name) for name in pick(['ab', 'abc'])] + [
        {'uid': {'type': 'N::G', 'id': 'g'}, 'attrs': group,
         'parents': [{'type': 'N::H', 'id': 'h'}] if chance(0.5) else [],
         'tags': {'k': [reference('N::U', 'a')]}}]


def request():
    context = {'b': chance(0.5), 'u': reference('N::U', pick('abcz'))}
    maybe(context, 'ob', chance(0.5))
    maybe(context, 'og', reference('N::G', 'g'))
    maybe(context, 'r', sub())
    return {'principal': {'type': 'N::U', 'id': pick('abz')},
            'action': {'type': 'N::Action', 'id': 'a'},
            'resource': pick([{'type': 'N::U', 'id': 'b'}, {'type': 'N::C', 'id': 'r'},
                              {'type': 'N::U', 'id': 'z'}]),
            'context': context}


def main():
    seed, count, folder = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
    random.seed(seed)
    for i in range(count):
        # validation tells one verdict for a set, so half of the sets are a single policy
        policies = [policy() for _ in range(pick([1, POLICIES_PER_CASE]))]
        parts = [SCHEMA, '\n'.join(policies), json.dumps(request()), json.dumps(store())]
        with open(os.path.join(folder, f'{i:06}'), 'w', encoding='utf-8') as out:
            out.write('\0'.join(parts))


if __name__ == '__main__':
    main()
