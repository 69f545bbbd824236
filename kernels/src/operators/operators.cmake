# What the native operators of int8 towers compute: a file a path, compiled for its instructions.
# Include it after src/search/isa/isa.cmake.
#
# Gives TWINLENS_OPERATOR_SOURCES and TWINLENS_OPERATOR_DEFINITIONS; without a path the sources
# compile still, and nothing is supported.

set(TWINLENS_OPERATOR_SOURCES src/cpu/features.cpp src/operators/compute.cpp)
set(TWINLENS_OPERATOR_DEFINITIONS "")

function(twinlens_operator_path name)
  set(source src/operators/isa/${name}.cpp)
  set_source_files_properties(${source} PROPERTIES COMPILE_OPTIONS "${ARGN}")
  set(TWINLENS_OPERATOR_SOURCES ${TWINLENS_OPERATOR_SOURCES} ${source} PARENT_SCOPE)
endfunction()

if(processor MATCHES "^(x86_64|amd64)$" AND TWINLENS_HAS_AVX512VNNI)
  twinlens_operator_path(avx512vnni ${avx512} -mavx512vnni)
  list(APPEND TWINLENS_OPERATOR_DEFINITIONS TWINLENS_AVX512VNNI)
  check_cxx_compiler_flag("-mamx-bf16 -mavx512bf16" TWINLENS_HAS_AMX_BF16)
  if(TWINLENS_HAS_AMX AND TWINLENS_HAS_AMX_BF16 AND CMAKE_SYSTEM_NAME STREQUAL "Linux")
    twinlens_operator_path(amx ${avx512} -mavx512vnni -mavx512bf16 -mamx-tile -mamx-int8
                           -mamx-bf16)
    list(APPEND TWINLENS_OPERATOR_DEFINITIONS TWINLENS_AMX)
  endif()
endif()
