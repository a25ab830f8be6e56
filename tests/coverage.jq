# coverage.jq - gcovr's summary as a table: what the tests reach of each folder of core/.

def column($width): tostring | (" " * ($width - length)) + .;
def share($reached; $all): if $all == 0 then "-" else "\($reached * 1000 / $all | round / 10) %" end;
def row($name): [
    ($name + " " * (16 - ($name | length))),
    (map(.line_total) | add | column(8)),
    (share(map(.line_covered) | add; map(.line_total) | add) | column(9)),
    (map(.branch_total) | add | column(10)),
    (share(map(.branch_covered) | add; map(.branch_total) | add) | column(9))] | join("");

def folder: .filename | split("/")[1:-1] | join("/") | if . == "" then "main.c" else . end;

"folder             lines  reached  branches  reached",
(.files | group_by(folder)[] | row(.[0] | folder)),
(.files | row("all"))
