# The instruction paths of this processor family, each file compiled for its own instructions, so
# that one module runs on every machine of the family and picks its path there.
#
# Gives TWINLENS_SOURCES and TWINLENS_DEFINITIONS.

include(CheckCXXCompilerFlag)

set(TWINLENS_SOURCES src/cpu/features.cpp src/search/isa/scalar.cpp)
set(TWINLENS_DEFINITIONS "")

function(twinlens_path name)
  set(source src/search/isa/${name}.cpp)
  set_source_files_properties(${source} PROPERTIES COMPILE_OPTIONS "${ARGN}")
  set(TWINLENS_SOURCES ${TWINLENS_SOURCES} ${source} PARENT_SCOPE)
endfunction()

string(TOLOWER "${CMAKE_SYSTEM_PROCESSOR}" processor)
if(CMAKE_OSX_ARCHITECTURES)
  string(TOLOWER "${CMAKE_OSX_ARCHITECTURES}" processor)
endif()

if(processor MATCHES "^(x86_64|amd64)$")
  if(MSVC)
    # Its intrinsics need no flag; /arch only widens what the compiler itself writes.
    twinlens_path(avx2 /arch:AVX2)
    twinlens_path(avxvnni /arch:AVX2)
    twinlens_path(avx512vnni /arch:AVX512)
    list(APPEND TWINLENS_DEFINITIONS TWINLENS_AVX2 TWINLENS_AVXVNNI TWINLENS_AVX512VNNI)
  else()
    # GCC's own AVX-512 headers start from "undefined" registers, and warn of it (its bug 105593).
    set(avx512 -mavx512f -mavx512bw -mavx512dq -mavx512vl -mfma -mbmi -mprefer-vector-width=512
        -Wno-uninitialized)
    if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
      list(APPEND avx512 -Wno-maybe-uninitialized)
    endif()
    check_cxx_compiler_flag(-mavx512vnni TWINLENS_HAS_AVX512VNNI)
    check_cxx_compiler_flag(-mavxvnni TWINLENS_HAS_AVXVNNI)
    check_cxx_compiler_flag(-mamx-int8 TWINLENS_HAS_AMX)
    twinlens_path(avx2 -mavx2 -mfma)
    list(APPEND TWINLENS_DEFINITIONS TWINLENS_AVX2)
    if(TWINLENS_HAS_AVXVNNI)
      twinlens_path(avxvnni -mavx2 -mfma -mavxvnni)
      list(APPEND TWINLENS_DEFINITIONS TWINLENS_AVXVNNI)
    endif()
    if(TWINLENS_HAS_AVX512VNNI)
      twinlens_path(avx512vnni ${avx512} -mavx512vnni)
      list(APPEND TWINLENS_DEFINITIONS TWINLENS_AVX512VNNI)
    endif()
    if(TWINLENS_HAS_AMX AND TWINLENS_HAS_AVX512VNNI AND CMAKE_SYSTEM_NAME STREQUAL "Linux")
      twinlens_path(amx ${avx512} -mavx512vnni -mamx-tile -mamx-int8)
      list(APPEND TWINLENS_DEFINITIONS TWINLENS_AMX)
    endif()
  endif()
elseif(processor MATCHES "^(aarch64|arm64)$" AND NOT MSVC)
  twinlens_path(neon -march=armv8.2-a+dotprod)
  list(APPEND TWINLENS_DEFINITIONS TWINLENS_NEON)
endif()
