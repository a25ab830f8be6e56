# marks - no unfinished marks: what is not done is an issue, not a comment.

/(^|[^A-Za-z0-9_])(TODO|FIXME|XXX|HACK)([^A-Za-z0-9_]|$)/ {
    refuse(FNR, "an unfinished mark; finish it, or open an issue and take the mark out")
}
