"""Names of Keras 3.15.1 that Keraunos has not, so that whoever looks for one is not told of another."""

# By module, behind ``keras.``; of a module that is missing, all names.
NAMES = {
    "": """
        FloatDTypePolicy Function Operation Quantizer RematScope StatelessScope SymbolicScope device distillation distribution
        export name_scope quantizers remat tree version visualization
    """,
    "applications": """
        ConvNeXtBase ConvNeXtLarge ConvNeXtSmall ConvNeXtTiny ConvNeXtXLarge EfficientNetB0 EfficientNetB1 EfficientNetB2
        EfficientNetB3 EfficientNetB4 EfficientNetB5 EfficientNetB6 EfficientNetB7 EfficientNetV2B0 EfficientNetV2B1
        EfficientNetV2B2 EfficientNetV2B3 EfficientNetV2L EfficientNetV2M EfficientNetV2S MobileNetV3Large MobileNetV3Small
        convnext efficientnet efficientnet_v2 mobilenet_v3
    """,
    "callbacks": "OrbaxCheckpoint SwapEMAWeights",
    "config": """
        backend disable_flash_attention disable_interactive_logging enable_flash_attention enable_interactive_logging
        enable_unsafe_deserialization is_flash_attention_enabled is_interactive_logging_enabled is_nnx_enabled max_epochs
        max_steps_per_epoch set_backend set_max_epochs set_max_steps_per_epoch
    """,
    "dtype_policies": """
        AWQDTypePolicy DTypePolicyMap FloatDTypePolicy GPTQDTypePolicy Int4DTypePolicy QuantizedDTypePolicy
        QuantizedFloat8DTypePolicy deserialize
    """,
    "layers": """
        AdaptiveAveragePooling1D AdaptiveAveragePooling2D AdaptiveAveragePooling3D AdaptiveMaxPooling1D AdaptiveMaxPooling2D
        AdaptiveMaxPooling3D AdditiveAttention Attention AugMix AutoContrast CategoryEncoding CenterCrop
        ContrastLimitedAdaptiveHistogramEqualization CutMix Discretization EinsumDense Equalization FlaxLayer GroupNormalization
        GroupQueryAttention HashedCrossing Hashing IntegerLookup JaxLayer MaxNumBoundingBoxes MelSpectrogram MixUp
        MultiHeadAttention Normalization Pipeline RMSNormalization RandAugment RandomBrightness RandomColorDegeneration
        RandomColorJitter RandomContrast RandomCrop RandomElasticTransform RandomErasing RandomFlip RandomGaussianBlur
        RandomGrayscale RandomHue RandomInvert RandomPerspective RandomPosterization RandomRotation RandomSaturation
        RandomSharpness RandomShear RandomTranslation RandomZoom Rescaling Resizing ReversibleEmbedding STFTSpectrogram
        Solarization SpectralNormalization StringLookup TFSMLayer TextVectorization TorchModuleWrapper UnitNormalization
    """,
    "ops": """
        adaptive_average_pool adaptive_max_pool allclose angle append arccosh arcsinh arctanh argpartition array_split
        associative_scan average bartlett batch_normalization bincount bitwise_and bitwise_invert bitwise_left_shift bitwise_not
        bitwise_or bitwise_right_shift bitwise_xor blackman cbrt cdist cholesky cholesky_inverse conj conjugate copy corrcoef
        correlate cross ctc_decode ctc_loss custom_gradient deg2rad depth_to_space det diagflat diagonal diff digitize
        dot_product_attention dsplit dstack eig eigh empty empty_like erfc exp2 extract_sequences fabs fft fft2 fliplr flipud fmax
        fmin fmod fold gcd geomspace hamming hanning heaviside histogram hsplit hypot i0 ifft2 imag image inner inv irfft isclose
        isin isneginf isposinf isreal istft jvp kaiser kron layer_normalization lcm ldexp left_shift linalg logaddexp2 logdet
        logspace lstsq lu_factor map matrix_rank median nan_to_num nanargmax nanargmin nancumprod nancumsum nanmax nanmean
        nanmedian nanmin nanpercentile nanprod nanquantile nanstd nansum nanvar nextafter nn nonzero numpy percentile pinv polar
        psnr ptp qr quantile rad2deg real rearrange rfft right_shift rms_normalization rot90 saturate_cast scatter scatter_update
        searchsorted segment_max segment_min segment_prod select signbit sinc slogdet solve solve_triangular space_to_depth stft
        svd switch trapezoid trunc unfold unique unravel_index vander vdot vectorize view view_as_complex view_as_real vsplit
        while_loop
    """,
    "optimizers": "Adafactor Ftrl Lamb Lion LossScaleOptimizer MultiOptimizer Muon OptimizerMap ScheduleFreeAdamW",
    "preprocessing": "image_dataset_from_directory text_dataset_from_directory timeseries_dataset_from_array",
    "preprocessing.image": "smart_resize",
    "random": "beta gamma",
    "saving": "KerasFileEditor",
    "utils": """
        Config FeatureSpace array_to_img audio_dataset_from_directory bounding_boxes disable_interactive_logging
        enable_interactive_logging image_dataset_from_directory img_to_array is_interactive_logging_enabled load_img save_img
        split_dataset standardize_dtype text_dataset_from_directory timeseries_dataset_from_array
    """,
}


def absence(module: str, name: str) -> str:
    """`` Keras 3 has it, Keraunos not yet.`` of such a name, else nothing.

    Args:
        module: Name of a module behind ``keras.``.
        name: A name in it.

    >>> absence("layers", "TextVectorization"), absence("layers", "Dens")
    (' Keras 3 has it, Keraunos not yet.', '')
    """
    return " Keras 3 has it, Keraunos not yet." if name in NAMES.get(module, "").split() else ""
