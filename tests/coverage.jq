# coverage.jq - gcovr's summary as a table: what the tests reach of each folder of core/, and what they
# are to reach. It ends with an error where that is less.

def goals: {"engine": 90, "journal": 90, "store": 90, "all": 80}; # percent of the branches

def column($width): tostring | (" " * ($width - length)) + .;
def tenths($reached; $all): $reached * 1000 / $all | floor / 10;
def share($reached; $all): if $all == 0 then "-" else "\(tenths($reached; $all)) %" end;
def sum(f): map(f) | add;

def figures($name): {
    name: $name, goal: goals[$name],
    lines: sum(.line_total), lines_reached: sum(.line_covered),
    branches: sum(.branch_total), branches_reached: sum(.branch_covered)};
def is_low: .goal != null and tenths(.branches_reached; .branches) < .goal;
def row: [
    (.name + " " * (16 - (.name | length))),
    (.lines | column(8)),
    (share(.lines_reached; .lines) | column(9)),
    (.branches | column(10)),
    (share(.branches_reached; .branches) | column(9)),
    (if .goal == null then "" else "\(.goal) %" | column(7) end),
    (if is_low then "  missed" else "" end)] | join("");

def folder: .filename | split("/")[1:-1] | join("/") | if . == "" then "main.c" else . end;

[(.files | group_by(folder)[] | figures(.[0] | folder)), (.files | figures("all"))]
| "folder             lines  reached  branches  reached   goal", (.[] | row),
  (map(select(is_low) | .name) | if . == [] then empty else
      "the tests reach less than the goal: \(join(", "))\n" | halt_error(1) end)
