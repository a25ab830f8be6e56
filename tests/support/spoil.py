"""spoil.py DATA TABLE [record] - damages a table in a store's file, as a bad disk might: one of its leaf
pages becomes zeroes, or only the first record of that page has a form that nobody knows."""
import struct
import sys

PAGE, HEADER, LEAF, BIG = 4096, 16, 2, 1


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
    """Key and where the value begins, of each row of a leaf page whose value lies there, too."""
    at = leaf * PAGE
    lower = struct.unpack_from("<H", data, at + 12)[0]
    for i in range((lower - HEADER) // 2):
        node = at + struct.unpack_from("<H", data, at + HEADER + 2 * i)[0]
        flags, size = struct.unpack_from("<HH", data, node + 4)
        if not flags & BIG:
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
                    leaf = leaves[len(leaves) // 2]
                    if len(sys.argv) > 3:
                        file.seek(next(at for leaf in leaves for _, at in rows(data, leaf)))
                        file.write(b"\xff")
                    else:
                        file.seek(leaf * PAGE)
                        file.write(bytes(PAGE))
                    return 0
    return 1


sys.exit(main())
