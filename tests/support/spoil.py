"""spoil.py DATA TABLE - zeroes the largest leaf page of a table in a store's file, as a bad disk might."""
import struct
import sys

PAGE, HEADER, LEAF, BRANCH = 4096, 16, 2, 1


def pages(data, number):
    """The leaf pages of the tree below a page."""
    at = number * PAGE
    flags, lower = struct.unpack_from("<HH", data, at + 10)
    if flags & LEAF:
        yield number
        return
    for i in range((lower - HEADER) // 2):
        node = at + struct.unpack_from("<H", data, at + HEADER + 2 * i)[0]
        low, mid, high = struct.unpack_from("<HHH", data, node)
        yield from pages(data, low | mid << 16 | high << 32)


def rows(data, leaf):
    """Key and where the value begins, of each row of a leaf page."""
    at = leaf * PAGE
    lower = struct.unpack_from("<H", data, at + 12)[0]
    for i in range((lower - HEADER) // 2):
        node = at + struct.unpack_from("<H", data, at + HEADER + 2 * i)[0]
        size = struct.unpack_from("<H", data, node + 6)[0]
        yield data[node + 8:node + 8 + size], node + 8 + size


def main():
    path, table = sys.argv[1] + "/data.mdb", sys.argv[2].encode()
    with open(path, "r+b") as file:
        data = file.read()
        metas = [(struct.unpack_from("<Q", data, i * PAGE + 144)[0], i) for i in range(2)]
        main_root = struct.unpack_from("<Q", data, max(metas)[1] * PAGE + 128)[0]
        for leaf in pages(data, main_root):
            for key, at in rows(data, leaf):
                if key == table:
                    root = struct.unpack_from("<Q", data, at + 40)[0]
                    leaves = list(pages(data, root))
                    file.seek(leaves[len(leaves) // 2] * PAGE)
                    file.write(bytes(PAGE))
                    return 0
    return 1


sys.exit(main())
