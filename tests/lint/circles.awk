# Reads "FILE.c.o: [ADDRESS] KIND NAME" (nm -A -g), and prints each set of files that all reach one
# another by what they call. Calls between folders are the rule of core/ORDER (order.awk).
{
    split($0, part, ":")
    file = substr(part[1], length(root) + 1)
    sub(/\.c\.o$/, ".c", file)
    if ($(NF - 1) == "U")
        needs[file, $NF]
    else
        home[$NF] = file
}

function folder(file) {
    sub(/\/[^\/]*$/, "", file)
    return file
}

function visit(from, start,    to) {
    if ((start, from) in reach) return
    reach[start, from]
    for (to in has)
        if ((from, to) in arrow) visit(to, start)
}

END {
    for (pair in needs) {
        split(pair, n, SUBSEP)
        to = home[n[2]]
        if (to == "" || to == n[1] || folder(to) != folder(n[1])) continue
        has[n[1]]; has[to]
        arrow[n[1], to] = arrow[n[1], to] " " n[2]
    }
    for (file in has)
        for (to in has)
            if ((file, to) in arrow) visit(to, file)
    for (file in has) {
        if (!((file, file) in reach) || file in told) continue
        circles++
        print folder(file) ": a circle"
        for (from in has) {
            if (!((file, from) in reach && (from, file) in reach)) continue
            told[from]
            for (to in has)
                if ((from, to) in arrow && (file, to) in reach && (to, file) in reach)
                    print "    " from " -> " to ":" arrow[from, to]
        }
    }
    if (circles)
        print "Cut each: move what both need below them, or hand the caller's function in as a pointer."
    exit circles > 0
}
