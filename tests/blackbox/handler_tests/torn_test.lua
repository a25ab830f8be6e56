test("torn", function(
