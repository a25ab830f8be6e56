# embed.cmake - turns the files of this folder into a C source with the table of core/web/assets.h:
#
#   cmake -D OUT=FILE.c -P embed.cmake
#
# dashboard.html is the page itself, at "/"; what it loads lies below /assets/.

set(type_html "text/html; charset=utf-8")
set(type_css "text/css; charset=utf-8")
set(type_js "text/javascript; charset=utf-8")
set(type_svg "image/svg+xml")

file(GLOB files ${CMAKE_CURRENT_LIST_DIR}/*.html ${CMAKE_CURRENT_LIST_DIR}/*.css
     ${CMAKE_CURRENT_LIST_DIR}/*.js ${CMAKE_CURRENT_LIST_DIR}/*.svg)
set(arrays "")
set(rows "")
set(number 0)
foreach(file ${files})
    get_filename_component(name ${file} NAME)
    get_filename_component(kind ${file} LAST_EXT)
    string(SUBSTRING ${kind} 1 -1 kind)
    set(path "/assets/${name}")
    if(name STREQUAL "dashboard.html")
        set(path "/")
    endif()
    file(READ ${file} bytes HEX)
    file(SHA256 ${file} digest)
    string(SUBSTRING ${digest} 0 20 digest)
    string(REGEX REPLACE "(..)" "0x\\1," bytes "${bytes}")
    string(REGEX REPLACE "(0x..,0x..,0x..,0x..,0x..,0x..,0x..,0x..,0x..,0x..,0x..,0x..,0x..,0x..,0x..,0x..,)"
           "\\1\n" bytes "${bytes}")
    string(APPEND arrays "static const unsigned char file_${number}[] = {\n${bytes}};\n\n")
    string(APPEND rows "    {\"${path}\", \"${type_${kind}}\", \"\\\"${digest}\\\"\", "
           "file_${number}, sizeof file_${number}},\n")
    math(EXPR number "${number} + 1")
endforeach()

file(WRITE ${OUT}.new "/* Made by core/web/assets/embed.cmake. */\n#include \"web/assets.h\"\n\n"
     "${arrays}const struct asset assets[] = {\n${rows}};\n\n"
     "const size_t assets_count = sizeof assets / sizeof *assets;\n")
file(RENAME ${OUT}.new ${OUT})
