# Functions for Shoal, for projects that are configured with wasm32-wasi.cmake:
#
#   find_package(Shoal REQUIRED)
#   shoal_function(NAME [COMMAND] SOURCE...)
#
# makes NAME.wasm: a reactor that defines handle, or, with COMMAND, a program with a main. Further libraries are given with
# target_link_libraries, as for any executable.

get_filename_component(SHOAL_SDK "${CMAKE_CURRENT_LIST_DIR}/.." ABSOLUTE)

if(NOT TARGET shoal)
  # What there is to link is for C++. A project in C alone has no compiler for it.
  get_property(SHOAL_LANGUAGES GLOBAL PROPERTY ENABLED_LANGUAGES)
  if("CXX" IN_LIST SHOAL_LANGUAGES)
    add_library(shoal STATIC "${SHOAL_SDK}/src/exceptions.cpp")
    target_compile_features(shoal PRIVATE cxx_std_17)
    set(SHOAL_SCOPE PUBLIC)
  else()
    add_library(shoal INTERFACE)
    set(SHOAL_SCOPE INTERFACE)
  endif()
  target_include_directories(shoal ${SHOAL_SCOPE} "${SHOAL_SDK}/include")
  target_include_directories(shoal SYSTEM ${SHOAL_SCOPE} "${SHOAL_SDK}/posix")
  target_compile_definitions(shoal ${SHOAL_SCOPE} _WASI_EMULATED_PROCESS_CLOCKS)
  target_link_options(shoal INTERFACE
    "LINKER:--stack-first,-z,stack-size=1048576,--strip-debug,--export-if-defined=malloc,--export-if-defined=free")
  target_link_libraries(shoal INTERFACE wasi-emulated-process-clocks)
endif()

function(shoal_function name)
  cmake_parse_arguments(PARSE_ARGV 1 arg "COMMAND" "" "")
  add_executable(${name} ${arg_UNPARSED_ARGUMENTS})
  target_link_libraries(${name} PRIVATE shoal)
  if(NOT arg_COMMAND)
    target_link_options(${name} PRIVATE -mexec-model=reactor)
  endif()
endfunction()
