# A toolchain file for functions:
#
#   cmake -B build -DCMAKE_TOOLCHAIN_FILE=shoal-sdk/cmake/wasm32-wasi.cmake
#
# With it find_package(Shoal) finds the SDK, and shoal_function makes modules. WASI_SDK_PATH in the environment, or a
# CMAKE_C_COMPILER, chooses the compiler; else it is clang-19 or clang.

set(CMAKE_SYSTEM_NAME WASI)
set(CMAKE_SYSTEM_VERSION 1)
set(CMAKE_SYSTEM_PROCESSOR wasm32)

# modules/Platform/WASI.cmake, which CMake lacks.
list(APPEND CMAKE_MODULE_PATH "${CMAKE_CURRENT_LIST_DIR}/modules")

foreach(language C CXX)
  set(CMAKE_${language}_COMPILER_TARGET wasm32-wasi)
  set(SHOAL_DRIVER_C clang)
  set(SHOAL_DRIVER_CXX clang++)
  if(NOT CMAKE_${language}_COMPILER)
    find_program(SHOAL_${language}_COMPILER
      NAMES ${SHOAL_DRIVER_${language}}-19 ${SHOAL_DRIVER_${language}}
      HINTS "$ENV{WASI_SDK_PATH}/bin")
    if(NOT SHOAL_${language}_COMPILER)
      message(FATAL_ERROR "no ${SHOAL_DRIVER_${language}} for wasm32-wasi (Debian: apt-get install clang-19 lld-19 llvm-19 "
        "wasi-libc libclang-rt-19-dev-wasm32 libc++-19-dev-wasm32 libc++abi-19-dev-wasm32; elsewhere: install wasi-sdk and "
        "set WASI_SDK_PATH to it)")
    endif()
    set(CMAKE_${language}_COMPILER "${SHOAL_${language}_COMPILER}")
  endif()
endforeach()
find_program(CMAKE_AR NAMES llvm-ar-19 llvm-ar HINTS "$ENV{WASI_SDK_PATH}/bin")
find_program(CMAKE_RANLIB NAMES llvm-ranlib-19 llvm-ranlib HINTS "$ENV{WASI_SDK_PATH}/bin")

# What is tried at configure time is compiled and not linked: a reactor has no main.
set(CMAKE_TRY_COMPILE_TARGET_TYPE STATIC_LIBRARY)

set(CMAKE_FIND_ROOT_PATH_MODE_PROGRAM NEVER)
set(CMAKE_FIND_ROOT_PATH_MODE_LIBRARY ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_INCLUDE ONLY)
set(Shoal_DIR "${CMAKE_CURRENT_LIST_DIR}")
