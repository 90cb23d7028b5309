# Functions for Shoal, for projects that are configured with wasm32-wasi.cmake:
#
#   find_package(Shoal REQUIRED)
#   shoal_function(NAME [COMMAND] SOURCE...)
#
# makes NAME.wasm: a reactor that defines handle, or, with COMMAND, a program with a main. Further libraries are given with
# target_link_libraries, as for any executable.

get_filename_component(SHOAL_SDK "${CMAKE_CURRENT_LIST_DIR}/.." ABSOLUTE)

if(NOT TARGET shoal)
  add_library(shoal STATIC "${SHOAL_SDK}/src/exceptions.cpp")
  target_compile_features(shoal PRIVATE cxx_std_17)
  target_include_directories(shoal PUBLIC "${SHOAL_SDK}/include")
  target_include_directories(shoal SYSTEM PUBLIC "${SHOAL_SDK}/posix")
  target_compile_definitions(shoal PUBLIC _WASI_EMULATED_PROCESS_CLOCKS)
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
