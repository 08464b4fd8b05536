{#- The host of a web address or domain, lower-case and without www; NULL where there is none. -#}
{% macro host_name(address) -%}
    nullif(
        regexp_extract(
            lower(trim({{ address }})),
            '^(?:[a-z][a-z0-9+.-]*://)?(?:[^/@ ]*@)?(?:www[0-9]*[.])?([^/:?#@ ]*[^/:?#@ .][.][^/:?#@ .]+)[.]?(?:[/:?# ]|$)',
            1
        ),
        ''
    )
{%- endmacro %}
