# The instruction sets of both libraries, best first: the one list from which compile flags,
# declarations and the order of preference come.
#
# A new one is a line here, a file isa/NAME.cpp of its library that defines its table NAME_kernels
# (search), NAME_operators (operators) or NAME_extension (bf16, a part of the operators) and, where no feature tells of it yet, a line in cpu/features.cpp.
# Each file is compiled for its own instructions, so that one library runs on every processor of a
# family and picks its table when it is loaded. This file works in a directory that has set
# TWINLENS_SOURCE_DIR to kernels/src.

include(CheckCXXCompilerFlag)

# No product and sum become one where the source does not say so: compilers for ARM, and for AVX2,
# fuse them by default, each in other places, and then pixels and rows differ among processors. The
# sets of the search may: EXACTNESS.md bounds their rounding, and the products of scores are exact.
if(MSVC)
  set(operators_options /fp:strict)
else()
  add_compile_options(-ffp-contract=off)
  set(search_options -ffp-contract=fast)
endif()
set(bf16_options "${operators_options}")

# Where the sets of a library are.
set(search_folder search)
set(operators_folder operators)
set(bf16_folder operators/bf16)

string(TOLOWER "${CMAKE_SYSTEM_PROCESSOR}" twinlens_processor)
if(CMAKE_OSX_ARCHITECTURES)
  # The flags of a file are those of one processor: for two, no set would fit but the scalar one.
  list(LENGTH CMAKE_OSX_ARCHITECTURES twinlens_count)
  if(twinlens_count GREATER 1)
    message(FATAL_ERROR "the kernels are compiled for one processor, not for "
                        "${CMAKE_OSX_ARCHITECTURES}; build for each of them, and delocate-merge joins both")
  endif()
  string(TOLOWER "${CMAKE_OSX_ARCHITECTURES}" twinlens_processor)
endif()

# twinlens_instruction_set(NAME LIBRARY search|operators|bf16 [PROCESSOR regex] [SYSTEM Linux]
#                          [NEEDS feature...] [GNU flag...] [ZIG flag...] [MSVC flag...])
#
# Left out where the processor, the system or the compiler does not fit. GNU means GCC and Clang; ZIG
# is tried where the flags of GNU do not compile, but not by GCC, which for x86-64 takes any -mcpu.
function(twinlens_instruction_set name)
  cmake_parse_arguments(PARSE_ARGV 1 own "" "LIBRARY;PROCESSOR;SYSTEM" "NEEDS;GNU;ZIG;MSVC")
  if(own_PROCESSOR AND NOT twinlens_processor MATCHES "^(${own_PROCESSOR})$")
    return()
  endif()
  if(own_SYSTEM AND NOT CMAKE_SYSTEM_NAME STREQUAL own_SYSTEM)
    return()
  endif()
  set(flags "")
  if(MSVC)
    set(flags "${own_MSVC}")
  else()
    foreach(choice GNU ZIG)
      if(own_${choice} AND NOT flags AND NOT (choice STREQUAL "ZIG" AND CMAKE_CXX_COMPILER_ID STREQUAL "GNU"))
        string(JOIN " " joined ${own_${choice}})
        string(MAKE_C_IDENTIFIER "twinlens ${joined}" compiles) # another result for other flags
        check_cxx_compiler_flag("${joined}" ${compiles})
        if(${compiles})
          set(flags "${own_${choice}}")
        endif()
      endif()
    endforeach()
  endif()
  if(own_PROCESSOR AND NOT flags)
    return()
  endif()
  set(source ${TWINLENS_SOURCE_DIR}/${${own_LIBRARY}_folder}/isa/${name}.cpp)
  set_source_files_properties(${source} PROPERTIES
                              COMPILE_OPTIONS "${${own_LIBRARY}_options};${flags}")
  set(sources twinlens_${own_LIBRARY}_sources)
  set(table twinlens_${own_LIBRARY}_table)
  string(JOIN " " needs ${own_NEEDS})
  set(${sources} ${${sources}} ${source} PARENT_SCOPE)
  set(${table} "${${table}} each(${name}, \"${needs}\")" PARENT_SCOPE)
endfunction()

set(x86 "x86_64|amd64")
set(arm "aarch64|arm64")
set(avx512vnni -mavx512f -mavx512bw -mavx512dq -mavx512vl -mavx512vnni -mfma -mbmi
    -mprefer-vector-width=512)
# GCC's own AVX-512 headers start from "undefined" registers, and warn of it (its bug 105593).
list(APPEND avx512vnni -Wno-uninitialized)
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  list(APPEND avx512vnni -Wno-maybe-uninitialized)
endif()

set(neon -march=armv8-a)
set(neondot -march=armv8.2-a+dotprod)
set(neoni8mm -march=armv8.2-a+dotprod+i8mm)
set(zig_neon -mcpu=generic)
set(zig_neondot -mcpu=generic+v8_2a+dotprod)
set(zig_neoni8mm -mcpu=generic+v8_2a+dotprod+i8mm)

# MSVC's intrinsics need no flag; its /arch only widens what the compiler itself writes.
twinlens_instruction_set(amx LIBRARY search PROCESSOR ${x86} SYSTEM Linux
                         NEEDS amx_int8 avx512vnni
                         GNU ${avx512vnni} -mamx-tile -mamx-int8)
twinlens_instruction_set(avx512vnni LIBRARY search PROCESSOR ${x86}
                         NEEDS avx512vnni
                         GNU ${avx512vnni}
                         MSVC /arch:AVX512)
twinlens_instruction_set(avxvnni LIBRARY search PROCESSOR ${x86}
                         NEEDS avxvnni
                         GNU -mavx2 -mfma -mavxvnni
                         MSVC /arch:AVX2)
twinlens_instruction_set(avx2 LIBRARY search PROCESSOR ${x86}
                         NEEDS avx2
                         GNU -mavx2 -mfma
                         MSVC /arch:AVX2)
twinlens_instruction_set(neoni8mm LIBRARY search PROCESSOR ${arm}
                         NEEDS dotprod i8mm
                         GNU ${neoni8mm}
                         ZIG ${zig_neoni8mm})
twinlens_instruction_set(neondot LIBRARY search PROCESSOR ${arm}
                         NEEDS dotprod
                         GNU ${neondot}
                         ZIG ${zig_neondot})
twinlens_instruction_set(neon LIBRARY search PROCESSOR ${arm}
                         GNU ${neon}
                         ZIG ${zig_neon})
twinlens_instruction_set(scalar LIBRARY search)

twinlens_instruction_set(amx LIBRARY operators PROCESSOR ${x86} SYSTEM Linux
                         NEEDS amx_int8 amx_bf16 avx512vnni
                         GNU ${avx512vnni} -mavx512bf16 -mamx-tile -mamx-int8 -mamx-bf16)
twinlens_instruction_set(avx512vnni LIBRARY operators PROCESSOR ${x86}
                         NEEDS avx512vnni
                         GNU ${avx512vnni}
                         MSVC /arch:AVX512)
twinlens_instruction_set(avxvnni LIBRARY operators PROCESSOR ${x86}
                         NEEDS avxvnni
                         GNU -mavx2 -mfma -mavxvnni
                         MSVC /arch:AVX2)
twinlens_instruction_set(avx2 LIBRARY operators PROCESSOR ${x86}
                         NEEDS avx2
                         GNU -mavx2 -mfma
                         MSVC /arch:AVX2)

twinlens_instruction_set(neoni8mm LIBRARY operators PROCESSOR ${arm}
                         NEEDS dotprod i8mm
                         GNU ${neoni8mm}
                         ZIG ${zig_neoni8mm})
twinlens_instruction_set(neondot LIBRARY operators PROCESSOR ${arm}
                         NEEDS dotprod
                         GNU ${neondot}
                         ZIG ${zig_neondot})
twinlens_instruction_set(neon LIBRARY operators PROCESSOR ${arm}
                         GNU ${neon}
                         ZIG ${zig_neon})

# Not by MSVC, which has no conversion between its vectors of bfloat16 and others.
twinlens_instruction_set(avx512bf16 LIBRARY bf16 PROCESSOR ${x86}
                         NEEDS avx512vnni avx512bf16
                         GNU ${avx512vnni} -mavx512bf16)

# A compiler for another processor than CMake takes it to be for, or for two at once, refuses the
# flags of every set; scalar kernels would be several times slower, and nobody would know.
if(twinlens_processor MATCHES "^(${x86}|${arm})$" AND NOT twinlens_operators_table)
  if(MSVC)
    message(WARNING "the kernels are scalar: MSVC has no flags for ${twinlens_processor} here")
  else()
    message(FATAL_ERROR "the kernels would be scalar: ${CMAKE_CXX_COMPILER} (CXXFLAGS \"${CMAKE_CXX_FLAGS}\") takes "
                        "no flag of ${twinlens_processor}; if it compiles for one other processor, say so by "
                        "CMAKE_ARGS=\"-DCMAKE_SYSTEM_NAME=... -DCMAKE_SYSTEM_PROCESSOR=...\"")
  endif()
endif()

# The list as macros of C++.
set(twinlens_generated ${CMAKE_CURRENT_BINARY_DIR}/instruction_sets)
configure_file(${CMAKE_CURRENT_LIST_DIR}/instruction_sets.hpp.in
               ${twinlens_generated}/cpu/instruction_sets.hpp @ONLY)

# twinlens_use_instruction_sets(target search|operators): the sources of the library's sets, and
# the choice among them.
function(twinlens_use_instruction_sets target library)
  target_sources(${target} PRIVATE ${TWINLENS_SOURCE_DIR}/cpu/features.cpp
                                   ${twinlens_${library}_sources})
  if(library STREQUAL "operators")
    target_sources(${target} PRIVATE ${twinlens_bf16_sources})
  endif()
  target_include_directories(${target} PUBLIC ${TWINLENS_SOURCE_DIR} ${twinlens_generated})
endfunction()
