# torn - comments that a formatter has pushed out of their place: one that begins behind the brace that
# opens a function or block and goes on below, and one before the first half of a statement.

/^[ \t]*\/\*.*\*\/[ \t]*[A-Za-z_][^;]*=[ \t]*$/ || /^[ \t]*\/\*.*\*\/[ \t]*[A-Za-z_][A-Za-z0-9_.>-]*\([^;]*[,(]$/ {
    refuse(FNR, "a comment stands on the line of the statement behind it; give it a line of its own")
}

/\)[ \t]*\{[ \t]*\/\*/ && !/\*\// {
    refuse(FNR, "a comment begins behind the brace; put it on the lines below")
}
