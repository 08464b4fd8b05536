{#- Reads the dataset's files into the schema raw before anything is built, or stops with one message. -#}
{% macro read_sources() -%}
    {%- if execute and flags.WHICH in ['build', 'run', 'seed'] -%}
        {%- set arguments = tojson({
            'data_dir': var('data_dir'),
            'sources': var('sources', none),
            'reporting_timezone': var('reporting_timezone'),
            'as_of_date': var('as_of_date') | string if var('as_of_date') else none,
            'dimension_attributes': dimension_attributes(),
            'custom_columns': {
                'accounts': custom_columns('accounts'),
                'people': custom_columns('people'),
                'opportunities': custom_columns('opportunities'),
                'owners': custom_columns('owners'),
                'products': custom_columns('products'),
            },
        }) -%}
        {%- set error = run_query("select read_sources('" ~ arguments | replace("'", "''") ~ "')").columns[0].values()[0] -%}
        {%- if error -%}
            {%- do exceptions.raise_compiler_error(error) -%}
        {%- endif -%}
    {%- endif -%}
{%- endmacro %}
