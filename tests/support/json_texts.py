"""Texts that are JSON, nearly are, or are not, and what Python's json says about them.

    json_texts.py texts                 prints them in hexadecimal, an x and a text a line
    json_texts.py compare TEXTS TRIED   compares with what `zingq try --json` printed of reader.lua

Where RFC 8259 leaves a choice docs/lua-api.md says what zingq does, and meaning() here does the same:
numbers that are not whole numbers of 64 bits are doubles, half a surrogate pair is U+FFFD, NaN and
Infinity are refused.
"""
import json, random, re, sys

BY_HAND = rb'''
0 -0 1 -1 0.0 -0.0 1.0 1e0 1E0 1e+0 1e-0 0e0 10 01 -01 00 1. .1 -.1 1.e1 1e 1e+ +1 -- - 1e1.1 0x1 1a 1_0
9007199254740991 9007199254740992 9007199254740993 9223372036854775807 9223372036854775808
-9223372036854775808 -9223372036854775809 18446744073709551615 100000000000000000000 1e20 1e22 1e23
0.1 0.2 0.30000000000000004 1.7976931348623157e308 1.7976931348623159e308 1e400 -1e400 1e-400 5e-324 2e-324
2.2250738585072011e-308 2.2250738585072014e-308 8.41e21 9007199254740993.0 9007199254740992.5 123456789012345678.5
true false null True nul nulll truefalse NaN -NaN Infinity -Infinity nan undefined None
"" "a" "\\" "\"" "\/" "\b\f\n\r\t" "\u0000" "\u00e9" "\u20AC" "\ud83d\ude00" "\ud83d" "\ude00" "\ud83dx" "\ud83d\ud83d"
"\ud83d\u0041" "\ude00\ud83d" "\u" "\u1" "\u12" "\u123" "\u123g" "\x" "\0" "\a" "\'" "\U00000041" " ' 'a' "a" "a
[] [[]] [[],[]] [1] [1,2] [1,] [,1] [,] [1 [1,,2] [ ] ] [}
{} {"a":1} {"a":1,"b":2} {"a":1,} {,} {"a"} {"a":} {:1} {a:1} {'a':1} {1:1} {"a":1 { } {"a":{"a":{"a":{}}}}
{"a":1,"a":2} {"a":{"x":1},"a":{"y":2}} {"a":1,"\u0061":2} {"":1} {"a\u0000b":1} {"\ud83d":1} {"a"::1} {"a":1:2}
{"a":[1,2,{"b":[true,false,null,"x",1.5e3]}]} {"id":1}/**/ {"id":1}// #x {}{} [][] 1,2 {"a";1}
'''.split() + [b'', b' ', b'\n', b'\t[ 1 ,\r\n2 ]\t', b'\x0b1', b'\x0c1', b'\xc2\xa01', b'1 2', b'{"a" :1 }', b'[1 2]',
    b'\xef\xbb\xbf{}', b'\xef\xbb\xbf', b'\xef\xbb\xbf\xef\xbb\xbf1', b'1\xef\xbb\xbf', b'\xef\xbb1', b'"\xef\xbb\xbf"',
    b'"\xc3\xa9"', b'"\xe9"', b'"\xc0\x80"', b'"\xed\xa0\xbd\xed\xb8\x80"', b'"\xf0\x9f\x98\x80"', b'"\xf4\x90\x80\x80"',
    b'"\xc3"', b'"\x80"', b'"\xff"', b'"\x7f"', b'"\x1f"', b'"\t"', b'"\n"', b'"\x00"', b'\x00', b'1\x00', b'[]\x00',
    b'"a\\\nb"', b'[' * 100 + b']' * 100, b'[' * 100, b'{"a":' * 90 + b'1' + b'}' * 90, b'9' * 400, b'0.' + b'0' * 400 + b'1',
    b'1' + b'0' * 400 + b'e-400', b'-' + b'9' * 30, b'{"a":' + b'1' * 25 + b'}', b'"' + b'x' * 5000 + b'\\n"']


def value(r, depth):
    """A made-up value as JSON text, with space, escapes and numbers of all kinds."""
    space = lambda: r.choice(('', '', '', ' ', '\n', '\t', '\r\n '))
    kind = r.randrange(8 if depth else 6)
    if kind == 0:
        return r.choice(('true', 'false', 'null', '""', '[]', '{}'))
    if kind == 1:
        return str(r.choice((r.randrange(-9, 10), r.randrange(-2**63, 2**63), r.randrange(2**65), r.getrandbits(r.randrange(1, 70)))))
    if kind == 2:
        return '%s%d.%0*de%+d' % (r.choice(('', '-')), r.getrandbits(r.randrange(1, 60)), r.randrange(1, 25), r.randrange(10), r.randrange(-340, 310))
    if kind == 3:
        return repr(r.choice((r.random(), r.uniform(-1e6, 1e6), r.uniform(0, 1) * 10 ** r.randrange(-300, 300))))
    if kind in (4, 5):
        return text(r)
    if kind == 6:
        return '[' + ','.join(space() + value(r, depth - 1) + space() for _ in range(r.choice((0, 1, 2, 3, 40)))) + ']'
    return '{' + ','.join(space() + text(r) + space() + ':' + space() + value(r, depth - 1) for _ in range(r.choice((1, 2, 3, 20)))) + space() + '}'


def text(r):
    units = ('a', 'b', 'key', ' ', '\\n', '\\"', '\\\\', '\\/', '\\u0061', '\\u0000', '\\ud83d', '\\ude00', '\\u20ac', 'é', '€', '😀', "'")
    return '"' + ''.join(r.choice(units) for _ in range(r.choice((0, 1, 1, 2, 3, 60)))) + '"'


def texts():
    r = random.Random(8259)
    made = list(BY_HAND)
    made += [value(r, 3).encode()[:4000] for _ in range(1500)]
    for _ in range(4000):  # a byte more, less or other
        t = bytearray(r.choice(made[:1200]))
        for _ in range(r.choice((1, 1, 2))):
            at = r.randrange(len(t) + 1)
            new = r.choice(b'{}[]:,"\\/ \n\t0123456789+-.eEutfnlx\x00\x7f\x80\xc3\xa9\xed\xff')
            t[at:at + r.randrange(2)] = bytes([new] * r.randrange(2))
        made.append(bytes(t[:4000]))
    return made


def number(digits):
    return int(digits) if -2**63 <= int(digits) < 2**63 else float(digits)


def members(pairs):
    return {whole(name): value for name, value in pairs}


def refuse(word):
    raise ValueError(word)


def whole(value):
    """The value with half surrogate pairs replaced. ValueError: it holds a number that cannot be written."""
    if isinstance(value, str):
        return re.sub('[\ud800-\udfff]', '\ufffd', value)
    if isinstance(value, list):
        return [whole(v) for v in value]
    if isinstance(value, dict):
        return {k: whole(value[k]) for k in sorted(value)}
    if isinstance(value, float) and value in (float('inf'), float('-inf')):
        raise OverflowError
    return value


def meaning(raw):
    """'-', 'infinite', or the value with its types."""
    try:
        return repr(whole(json.loads(raw.decode('utf-8-sig'), parse_int=number, parse_constant=refuse, object_pairs_hook=members)))
    except OverflowError:
        return 'infinite'
    except (ValueError, RecursionError):
        return '-'


def compare(texts_file, tried_file):
    raws = [bytes.fromhex(line[1:]) for line in open(texts_file).read().split('\n')[:-1]]
    tried = json.load(open(tried_file))
    answers = [e for e in tried['effects'] if e['kind'] == 'publish'][0]['value'].split('\n')
    if len(answers) != len(raws):
        sys.exit('%d texts, %d answers' % (len(raws), len(answers)))
    wrong = good = 0
    for raw, answer in zip(raws, answers):
        got = answer if answer in ('-', 'infinite') else repr(whole(json.loads(answer)))
        good += answer != '-'
        if got != meaning(raw):
            wrong += 1
            if wrong < 10:
                print('%r\n  zingq %.200s\n  Python %.200s' % (raw[:200], got, meaning(raw)))
    print('%d texts, %d of them JSON, %d read otherwise' % (len(raws), good, wrong))
    sys.exit(wrong > 0 or good < len(raws) // 10)


if sys.argv[1] == 'texts':
    print('\n'.join('x' + t.hex() for t in texts()))
else:
    compare(*sys.argv[2:])
