// The part of DeepStream's binary interface that a parser of detections sees: the layout of nvdsinfer.h and
// nvdsinfer_custom_impl.h, without the TensorRT headers that those include. x86-64 and aarch64, libstdc++.
//
// The same from DeepStream 6.2 to 9.x, but for NvDsInferObjectDetectionInfo, which grew by its angle with 9.0.

#pragma once

#include <vector>

#ifndef DS_VERSION_MAJOR
#error "compile with -DDS_VERSION_MAJOR=N, the major version of the DeepStream that will load the library"
#endif

enum NvDsInferDataType { FLOAT = 0, HALF = 1, INT8 = 2, INT32 = 3, INT64 = 4, UINT8 = 5 };

struct NvDsInferDims {
    unsigned int numDims;
    unsigned int d[8];
    unsigned int numElements;  // product of d, without the batch
};

struct NvDsInferLayerInfo {
    NvDsInferDataType dataType;
    NvDsInferDims inferDims;
    int bindingIndex;
    const char* layerName;
    void* buffer;
    int isInput;
};

struct NvDsInferNetworkInfo {
    unsigned int width;
    unsigned int height;
    unsigned int channels;
};

struct NvDsInferParseDetectionParams {
    unsigned int numClassesConfigured;
    std::vector<float> perClassPreclusterThreshold;
    std::vector<float> perClassPostclusterThreshold;
    std::vector<float>& perClassThreshold = perClassPreclusterThreshold;
};

struct NvDsInferObjectDetectionInfo {
    unsigned int classId;
    float left;
    float top;
    float width;
    float height;
    float detectionConfidence;
#if DS_VERSION_MAJOR >= 9
    float rotation_angle;  // radians
#endif
};

struct NvDsInferInstanceMaskInfo {
    unsigned int classId;
    float left;
    float top;
    float width;
    float height;
    float detectionConfidence;
    float* mask;  // made with new[], nvinfer deletes it
    unsigned int mask_width;
    unsigned int mask_height;
    unsigned int mask_size;  // bytes
};

static_assert(sizeof(NvDsInferDims) == 40, "not the layout of DeepStream's NvDsInferDims");
static_assert(sizeof(NvDsInferLayerInfo) == 72, "not the layout of DeepStream's NvDsInferLayerInfo");
static_assert(sizeof(NvDsInferNetworkInfo) == 12, "not the layout of DeepStream's NvDsInferNetworkInfo");
static_assert(sizeof(NvDsInferParseDetectionParams) == 64, "not the layout of NvDsInferParseDetectionParams");
static_assert(sizeof(NvDsInferInstanceMaskInfo) == 48, "not the layout of DeepStream's NvDsInferInstanceMaskInfo");
static_assert(sizeof(NvDsInferObjectDetectionInfo) == (DS_VERSION_MAJOR >= 9 ? 28 : 24),
              "not the layout of DeepStream's NvDsInferObjectDetectionInfo");
