# embed.cmake - turns the files below a folder into a C source with a table of base/embedded.h:
#
#   cmake -D FOLDER=DIR -D TABLE=NAME -D OUT=FILE.c -P embed.cmake
#
# Their paths are relative to the folder. Sources and headers are left out.

file(GLOB_RECURSE files RELATIVE ${FOLDER} ${FOLDER}/*)
list(FILTER files EXCLUDE REGEX "\\.[ch]$")
set(arrays "")
set(rows "")
set(number 0)
foreach(file ${files})
    file(READ ${FOLDER}/${file} bytes HEX)
    string(REGEX REPLACE "(..)" "0x\\1," bytes "${bytes}")
    string(REGEX REPLACE "(0x..,0x..,0x..,0x..,0x..,0x..,0x..,0x..,0x..,0x..,0x..,0x..,0x..,0x..,0x..,0x..,)"
           "\\1\n" bytes "${bytes}")
    string(APPEND arrays "static const unsigned char file_${number}[] = {\n${bytes}0};\n\n")
    string(APPEND rows "    {\"${file}\", (const char *)file_${number}, sizeof file_${number} - 1},\n")
    math(EXPR number "${number} + 1")
endforeach()

file(WRITE ${OUT}.new "/* Made by core/base/embed.cmake. */\n#include \"base/embedded.h\"\n\n"
     "${arrays}const struct embedded ${TABLE}[] = {\n${rows}    {0}};\n")
file(RENAME ${OUT}.new ${OUT})
