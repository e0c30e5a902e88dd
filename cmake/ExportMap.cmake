# SPDX-License-Identifier: Apache-2.0
# Writes the shim's version script from hooks.def: HOOKS in, MAP out.
file(STRINGS ${HOOKS} lines REGEX "^TG_HOOK\\(")
set(names "")
foreach(line IN LISTS lines)
    string(REGEX REPLACE "^TG_HOOK\\([a-z]+, ([A-Za-z0-9_]+)\\)$" "\\1" name "${line}")
    string(APPEND names "        ${name};\n")
endforeach()
file(WRITE ${MAP} "{\n    global:\n${names}    local: *;\n};\n")
